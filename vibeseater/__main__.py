"""`python -m vibeseater`: the command line."""

from vibeseater.cli import main

if __name__ == "__main__":
    main()
