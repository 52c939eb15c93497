"""Analyses of a stream's events: each takes a DataFrame as `seater.events.to_dataframe` gives it. No I/O, no servers.

from vibeseater import analytics
frame = await seater.events.to_dataframe(stream)
analytics.rate_over_time(frame, by="source_id").plot()
"""

from vibeseater.analytics.bursts import find_bursts
from vibeseater.analytics.comparison import compare
from vibeseater.analytics.correlation import LagCorrelation, correlations, lag_correlation
from vibeseater.analytics.gaps import Gaps, gaps
from vibeseater.analytics.heatmap import weekday_hours
from vibeseater.analytics.rate import counts_over_time, rate_over_time
from vibeseater.analytics.terms import top_fields, top_terms

__all__ = [
    "Gaps",
    "LagCorrelation",
    "compare",
    "correlations",
    "counts_over_time",
    "find_bursts",
    "gaps",
    "lag_correlation",
    "rate_over_time",
    "top_fields",
    "top_terms",
    "weekday_hours",
]
