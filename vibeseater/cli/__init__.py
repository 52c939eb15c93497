"""The command line: one file a command, each loaded when it is called. It uses the public API and nothing below it."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command that `sys.argv` names, and exit the process with its code."""
    from vibeseater.cli.app import app  # late, so that `import vibeseater.cli.…` costs no click

    app(prog_name="vibeseater")
