"""Time-outs, end conditions, flags; several runs of one task at once; what fails is retried."""

import asyncio
import time

import rocketry.conds as rc
from rocketry import Rocketry
from rocketry.args import TerminationFlag
from rocketry.conds import daily, retry, running
from rocketry.exc import TaskTerminationException

app = Rocketry(shut_cond="task 'slow' has succeeded & task 'flaky' has succeeded & task 'patient' has terminated")
alive = most = attempts = 0


@app.task(daily, timeout="100 ms", execution="thread")
def patient(flag=TerminationFlag()):
    while not flag.is_set():
        time.sleep(0.01)
    raise TaskTerminationException()


@app.task(daily, end_cond=rc.running.more_than("10 seconds"), execution="async")
async def slow():
    await asyncio.sleep(1)


@app.task(running <= 4, multilaunch=True, execution="async", end_cond="task 'slow' has succeeded")
async def parallel():
    global alive, most
    alive += 1
    most = max(most, alive)
    try:
        await asyncio.sleep(60)
    finally:
        alive -= 1


@app.task(daily | retry(2), execution="main")
def flaky():
    global attempts
    attempts += 1
    if attempts < 3:
        raise RuntimeError("not yet")


if __name__ == "__main__":
    app.run()
    print(app.session["patient"].status, app.session["slow"].status, attempts, most)

# prints: terminate success 3 5
# differs: 12 no execution is said
# differs: 16 the window in which its start was decided
# differs: 23 the window in which its start was decided
# differs: 28 lets n + 1 runs go on
# differs: 39 the window in which its start was decided
# differs: 39 crashed is retried too
