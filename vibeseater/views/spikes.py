"""Which buckets of a plot stand out from the others: a robust z-score on their counts. A pure function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

__all__ = ["LEAST_BUCKETS", "THRESHOLD", "spikes"]

THRESHOLD = 3.5
"""The score above which a bucket is a spike, as Iglewicz and Hoaglin recommend it."""

LEAST_BUCKETS = 12
"""From fewer buckets nothing usual can be told, and so nothing unusual."""

_LEAST_EVENTS = 5
_NORMAL = 0.6745  # the third quartile of the standard normal distribution: a normal sample's MAD in standard deviations


def spikes(counts: Sequence[int], threshold: float = THRESHOLD) -> list[tuple[int, float]]:
    """The buckets that hold unusually many events, as (index, score), in order.

    The score is the modified z-score of B. Iglewicz and D. C. Hoaglin, "How to Detect and Handle Outliers" (ASQC
    Quality Press, 1993):

        score = 0.6745 * (count - median) / MAD,   MAD = median(|count - median|)

    Unlike mean and standard deviation, median and MAD are not moved by the very spikes that are looked for. Two floors
    keep small numbers from being spikes. The MAD is taken to be no less than that of random arrivals at the same rate
    (the standard deviation of a Poisson distribution is the root of its mean: 0.6745 * sqrt(max(median, 1))), so what
    chance alone brings about is none. And a spike has at least 5 events. What lies before the first event tells
    nothing of what is usual, and is left out: a stream that begins is no spike.

    Args:
        counts: events in each bucket of the same width, complete ones only.
        threshold: the score above which a bucket is a spike.
    """
    begun = next((index for index, count in enumerate(counts) if count), len(counts))
    counts = counts[begun:]
    if len(counts) < LEAST_BUCKETS:
        return []
    middle = median(counts)
    spread = max(median(abs(count - middle) for count in counts), _NORMAL * math.sqrt(max(middle, 1.0)))
    scores = ((index, _NORMAL * (count - middle) / spread) for index, count in enumerate(counts))
    return [(begun + index, score) for index, score in scores if score > threshold and counts[index] >= _LEAST_EVENTS]
