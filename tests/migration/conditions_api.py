"""The condition API: what the strings say, in Python."""

from rocketry import Rocketry
from rocketry.conds import (
    daily, every,  # cadences
    after_success, after_finish,
    failed, finished, running, succeeded,
    true, false,
)

app = Rocketry(execution="async", shut_cond=succeeded("count"))


@app.task(daily)
def first():
    print("first")


@app.task(after_success(first) & ~failed(task=first).today)
def second():
    print("second")
    raise RuntimeError("to be followed all the same")


@app.task(after_finish(second) & (running(first) == 0) & ~(running(second) != 0))
def third():
    print("third")


@app.task(every("200 ms") & finished("third").this_hour & (true | false))
def count():
    print("counted")


if __name__ == "__main__":
    app.run()

# prints: first
# prints: second
# prints: third
# prints: counted
# differs: 14 the window in which its start was decided
# differs: 25 also terminated
# differs: 30 keeps its rhythm
