"""A queue of tasks: one after another, each with its parameters, the next when the last has ended.

It prints:

    things
    report of 2026-01-01
    report of 2026-01-02
    the queue is empty
"""

import asyncio
from datetime import date

from oncue import App
from oncue.args import Session

app = App()


def queue():
    """What is to run; it may as well come from a file or a database."""
    yield "do_things", {}
    yield "do_report", {"day": date(2026, 1, 1)}
    yield "do_report", {"day": date(2026, 1, 2)}


@app.task()  # never by itself
async def do_things():
    await asyncio.sleep(0.1)
    print("things")


@app.task()
def do_report(day):
    print("report of", day)


@app.task(on_startup=True)
async def work_off(session=Session()):
    for name, parameters in queue():
        task = session[name]
        task.run(**parameters)
        while task.is_running:  # from `run` until the finish is in the log
            await asyncio.sleep(0.01)
    print("the queue is empty")
    session.shut_down()


if __name__ == "__main__":
    app.run()
