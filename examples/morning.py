"""A morning in ten seconds: seven tasks on an SQLite store.

Run it twice: what ran once today does not run again, since the log is in the file.
"""

import asyncio
import logging
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from oncue import App

STORE = Path(__file__).parent.parent / ".cache" / "morning.db"
SECONDS = 8


def window_ahead(now: datetime) -> str:
    """A day's window that is not open now: it begins a quarter of an hour from now, or, near
    midnight, it was over before now."""
    start = now + timedelta(minutes=15)
    if start.date() != now.date() or start.minute == 59:
        return "before 00:01"
    return f"after {start:%H:%M}"


STORE.parent.mkdir(exist_ok=True)
app = App(STORE, shut_cond=f"scheduler has run over {SECONDS} seconds")


@app.task("every 1 second")
def tick():
    """A cadence of elapsed time: no drift, however late a tick is."""


@app.task("daily")
def greet():
    """Once a day, at the first opportunity: not again when this is run again."""


@app.task("after task 'tick'", execution="async")
async def echo():
    """A coroutine, started by the end of another task."""
    await asyncio.sleep(0.05)


@app.task("time of day & after task 'echo' & ~task 'crunch' is running", execution="thread")
def crunch():
    """A window, a dependence and a negation in one; in a thread, so it may block."""
    time.sleep(1.5)


@app.task("minutely | retry 2 times after 1 second")
def flaky():
    """Fails, and is tried twice more."""
    raise RuntimeError("the printer is on fire")


@app.task("minutely & after task 'greet' failed")
def never_needed():
    """Waits for a failure that does not come."""


@app.task(f"daily {window_ahead(datetime.now())} & after task 'greet'", name="report")
def report():
    """Its window lies ahead: see the explanation at the end."""


def main() -> None:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S", stream=sys.stdout
    )
    app.run()
    why = app["report"].explain()
    when = f"{why.flips_at:%Y-%m-%d %H:%M}" if why.flips_at else "not by time alone"
    print(f"\nWhy is 'report' not running?\n{why}\nIt will: {when}")


if __name__ == "__main__":
    main()
