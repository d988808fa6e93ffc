"""Cron expressions: the minutes, or with six fields the seconds, that match, each a window."""

from __future__ import annotations

from functools import lru_cache

from ...conds.points import CronFields
from .almanac import ALL, day_after, days, month_days, weekday_days
from .anchored import day_of_month
from .dial import BEGIN, END, OUT, SEAM, SLOTS, SPANS, WITHIN, Run, Tree, dial, drawn
from .pattern import Pattern


@lru_cache(maxsize=2048)
def cron_windows(fields: CronFields) -> Pattern:
    """The windows of `time of cron …`."""
    slots = (fields.hours, fields.minutes)
    clock = CronClock(slots if fields.seconds is None else (*slots, fields.seconds))
    on = matching_days(fields)
    after = day_after(on) if clock.ends_inside(0) else 0  # the days that begin after a window
    return Pattern(
        [
            (on & ~after, clock.tree(0, before=False, on=True)),
            (on & after, clock.tree(0, before=True, on=True)),
            (after & ~on, clock.tree(0, before=True, on=False)),
            (ALL & ~on & ~after, OUT),
        ]
    )


class CronClock:
    """The trees of a cron expression's fields: `slots` are the hours, the minutes and, with six
    fields, the seconds that match."""

    def __init__(self, slots: tuple[tuple[int, ...], ...]) -> None:
        self.slots = slots
        self.known: dict[tuple[int, bool, bool], Tree] = {}

    def ends_inside(self, level: int) -> bool:
        """Whether a matching stretch of that level ends in a window."""
        return all(slots[-1] == SLOTS[level + i] - 1 for i, slots in enumerate(self.slots[level:]))

    def tree(self, level: int, before: bool, on: bool) -> Tree:
        """A stretch that matches as far as the fields above it say, or does not (`on`), and
        comes after a window or not (`before`)."""
        key = (level, before, on)
        if key not in self.known:
            self.known[key] = self._tree(level, before, on)
        return self.known[key]

    def _tree(self, level: int, before: bool, on: bool) -> Tree:
        if not on:
            return drawn([(1, END), (SPANS[level], OUT)], level) if before else OUT
        if level == len(self.slots):
            return drawn([(1, SEAM if before else BEGIN), (SPANS[level], WITHIN)], level)
        runs: list[Run] = []
        matching, inside = set(self.slots[level]), self.ends_inside(level + 1)
        for slot in range(SLOTS[level]):
            on = slot in matching
            runs.append((slot + 1, self.tree(level + 1, before, on)))
            before = on and inside
        return dial(runs)


def matching_days(fields: CronFields) -> int:
    """Vixie cron's rule: a day of the month and a day of the week, both restricted, mean
    either."""
    months = sum(month_days(number) for number in fields.months)
    by_number, by_weekday = days_by_number(fields), days_by_weekday(fields)
    if fields.any_day or fields.any_weekday:
        return months & by_number & by_weekday
    return months & (by_number | by_weekday)


def days_by_number(fields: CronFields) -> int:
    if fields.any_day:
        return ALL
    final = days(lambda month: month.days(month.length, month.length)) if fields.last_day else 0
    for number in fields.days:
        final |= day_of_month(number, None)[0]
    return final


def days_by_weekday(fields: CronFields) -> int:
    if fields.any_weekday:
        return ALL
    found = sum(weekday_days(weekday) for weekday in fields.weekdays)
    for weekday, nth in fields.nth_weekdays:
        found |= day_of_month(nth, weekday)[0]
    return found
