"""Spans of dates: `between 2026-01-01 and 2026-06-30`, `before …`, `after …`, `once at …`."""

from __future__ import annotations

from datetime import datetime

from ..civil import BEGINNING, DAY, FOREVER, Zone, local_time
from .algebra import Span


def span_of(start: datetime | None, end: datetime | None, end_is_date: bool, zone: Zone) -> Span:
    """[start, end) on the wall clock of `zone`; an end that is a bare date includes its day.

    The rules of a repeated and of a skipped hour are those of any boundary: the first occurrence,
    and the end of the gap; a span within a gap keeps its length from there."""
    begins = None if start is None else local_time(start)
    ends = None if end is None else local_time(end) + (DAY if end_is_date else 0)
    first = BEGINNING if begins is None else zone.boundary(begins)
    last = FOREVER if ends is None else zone.boundary(ends)
    if begins is not None and ends is not None and last <= first:
        last = first + ends - begins
    return Span(first, last)
