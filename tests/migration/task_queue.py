"""A queue of tasks with parameters, one after another."""

import asyncio

from rocketry import Rocketry
from rocketry.args import Session

app = Rocketry(execution="async")


def next_task():
    yield "do_things", {}
    yield "do_report", {"report_date": "2022-01-01"}
    yield "do_report", {"report_date": "2022-01-02"}


@app.task()
async def do_things():
    await asyncio.sleep(0.05)
    print("things")


@app.task()
async def do_report(report_date):
    print("report of", report_date)


@app.task(on_startup=True, execution="async")
async def task_queue(session=Session()):
    for name, params in next_task():
        task = session[name]
        task.run(**params)
        while task.is_running:
            await asyncio.sleep(0.01)
    session.shut_down()


if __name__ == "__main__":
    asyncio.run(app.serve())

# prints: things
# prints: report of 2022-01-01
# prints: report of 2022-01-02
