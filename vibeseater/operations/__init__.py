"""Operations: what this process and its neighbours do, how they fare, what is wrong, and the same for Prometheus."""

from vibeseater.operations.metrics import CONTENT_TYPE, exposition
from vibeseater.operations.monitor import Monitor, monitor_of
from vibeseater.operations.overview import Overview
from vibeseater.operations.problems import Problem
from vibeseater.operations.snapshot import ProcessSnapshot

__all__ = ["CONTENT_TYPE", "Monitor", "Overview", "Problem", "ProcessSnapshot", "exposition", "monitor_of"]
