"""What the app raises, and what a task raises to say how it ended."""

from __future__ import annotations


class OncueError(Exception):
    """Any error of oncue's own but a `ConditionSyntaxError`, which is a `ValueError`."""


class DefinitionError(OncueError, ValueError):
    """A task, app or option that cannot be as it was written; nothing was changed."""


class StoreError(OncueError):
    """The store cannot be opened, is not ours, or does not answer."""


class LeaseLostException(OncueError):
    """The run is not its instance's any more: it took longer than its lease, and was written as
    crashed. What it does now it may do beside another run."""


class PlainFailure(Exception):
    """Why a run failed, in words that say all: a traceback would only show our own code."""


class RunFailed(PlainFailure):
    """The code of a run failed in another process, or with it; the text says of what."""


class SchedulerExit(Exception):
    """Raised by a task to end the app in order; its run has succeeded."""


class SchedulerRestart(Exception):
    """Raised by a task to restart the app; its run has succeeded."""


class TaskInactionException(Exception):
    """Raised by a task that found nothing to do: its run is logged as `inaction`."""


class TaskTerminationException(Exception):
    """Raised by a task that stops as it was told to: its run is logged as `terminate`."""
