"""Measure kernels and models beside other libraries: what `python -m strop bench` and `benchmarks/` are made of.

Ours and every peer take turns in one process, window by window, and the best window of each counts. Each figure is set
beside what the machine can do at most, measured at the start.
"""

from .machine import Machine, measure
from .report import Report
from .settings import Settings
from .timing import best_of_windows, timed

__all__ = ["Machine", "Report", "Settings", "best_of_windows", "measure", "timed"]
