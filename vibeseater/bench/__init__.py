"""`vibeseater bench`: how fast the engine is, each figure beside its own bound, measured in the same run.

It works on a database of its own, made for the run and dropped after it. One file holds one row of the table, or a few
that are measured together; what runs them and what prints them stands apart.
"""

from vibeseater.bench.figures import Figure
from vibeseater.bench.runner import run

__all__ = ["Figure", "run"]
