"""A million reminders, each with a moment of its own; those that are due run.

    python examples/million_reminders.py [HOW_MANY]

They are in reminders.db: begun again, the program goes on with those that are left.
"""

import sys
import time
from datetime import UTC, datetime, timedelta

from oncue import App, Context

DUE = 1000  # of them are due by now, the others in the days to come

app = App("reminders.db", timezone="UTC", batch_size=500)
sent = 0


@app.dynamic_task()
async def remind(context: Context) -> None:
    global sent
    sent += 1
    if sent == DUE:
        context.app_context.shutdown()


def main(count: int) -> None:
    now, began = datetime.now(UTC), time.perf_counter()
    app.schedule_tasks(
        remind,
        (
            (f"reminder {n}", {"execute_at": now + timedelta(seconds=n - DUE), "user": n % 5000})
            for n in range(count)
        ),
    )
    print(f"{count:,} reminders scheduled in {time.perf_counter() - began:.1f} s")
    began = time.perf_counter()
    app.run()
    print(f"{sent:,} sent in {time.perf_counter() - began:.1f} s")
    following = app.list_tasks(remind, due_after=now, limit=3).tasks
    print("next:", ", ".join(f"{task.name} at {task.due:%H:%M:%S}" for task in following))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
