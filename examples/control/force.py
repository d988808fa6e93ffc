"""A task that starts another, whatever its condition says: `run` queues a run with parameters,
`force` starts it even where it is disabled.

It prints:

    worker 1
    worker 2
    asleep, and forced
"""

from oncue import App
from oncue.args import Task

app = App(shut_cond="task 'worker' has succeeded at least 2 times & task 'asleep' has succeeded")


@app.task("false")
def worker(x):
    print("worker", x)


@app.task("false", enabled=False)
def asleep():
    print("asleep, and forced")


@app.task("daily")
def boss(worker=Task("worker")):
    worker.run(x=1)
    worker.run(x=2)


@app.task("task 'worker' has succeeded at least 2 times & daily")
def force(asleep=Task("asleep")):
    asleep.force()


if __name__ == "__main__":
    app.run()
