"""What of the log is still asked of the past: of tasks that are behind, or whose run is owed."""

from __future__ import annotations

from .civil import FOREVER
from .history import TaskLog
from .items import Entry


class Past(dict[Entry, int]):
    """From when on the past of which tasks may be asked of; their logs are to be kept from there
    on, and those that they read."""

    def look(self, entry: Entry) -> None:
        """Something has changed of a task."""
        since = FOREVER if entry.behind is None else entry.behind
        run = entry.log.starts[-1] if entry.log.starts else None
        if run is not None and entry.log.counted(run) < FOREVER:
            since = min(since, run.scheduled_at)
        if since < FOREVER:
            self[entry] = since
        else:
            self.pop(entry, None)

    def oldest_for(self, log: TaskLog, own: Entry | None) -> int:
        """The earliest instant at which something may be asked of a log, which is that of `own`."""
        if not self:
            return FOREVER
        readers = {item for plan in log.readers for item in plan.askers if item in self}
        if own in self:
            readers.add(own)
        return min((self[entry] for entry in readers), default=FOREVER)
