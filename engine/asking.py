"""Plans asked for their verdicts on behalf of tasks; what becomes of conditions that raise."""

from __future__ import annotations

from collections.abc import Callable

from .decisions import ConditionFailed
from .items import Item
from .plan import Planner
from .verdict import Plan, Verdict


class Asking:
    """`checked` counts the plans asked to decide, for tests of the work done. `silenced`, where it
    is set, is told of a condition that raised instead of answering, which is false then for a
    while; else to ask raises ConditionFailed."""

    def __init__(self, planner: Planner) -> None:
        self.planner = planner
        self.checked = 0
        self.silenced: Callable[[str, Exception], None] | None = None
        self._failing: dict[Plan, str] = {}  # what was said of those that raise

    def check(self, item: Item, plan: Plan, instant: int) -> Verdict:
        """The verdict, by which something is decided."""
        self.checked += 1
        return self.ask(item, plan, instant)

    def ask(self, item: Item, plan: Plan, instant: int) -> Verdict:
        """The verdict, by the way."""
        try:
            verdict = plan.check(instant)
        except Exception as error:
            if self.silenced is None:
                raise ConditionFailed(item.name) from error
            self.say_once(plan, item.name, error)
            return Verdict(False, instant, instant + self.planner.rhythm)
        if self._failing:
            self._failing.pop(plan, None)
        return verdict

    def say_once(self, plan: Plan, name: str, error: Exception) -> None:
        """Tell of a condition that raises, until it answers or raises an error of another kind."""
        said = type(error).__qualname__  # not its words, which may be others each time
        if self.silenced is not None and self._failing.get(plan) != said:
            self._failing[plan] = said
            self.silenced(name, error)
