"""Tasks that control the others: look at them, force, disable, create and remove them."""

from rocketry import Rocketry
from rocketry.args import Session, Task
from rocketry.conds import daily

app = Rocketry(execution="async")


@app.task("false")
def worker(x=0):
    print("worker", x)


@app.task("daily", disabled=True)
def asleep():
    print("forced, though disabled")


@app.task()
def goner():
    ...


def report(task=Task("worker")):
    print("report:", task.last_run is not None)


@app.task("daily")
def control(session=Session(), me=Task(), other=Task(worker)):
    names = sorted(task.name for task in session.tasks)
    print(names, me.name, other.name, session.task_exists("goner"), len(session.get_tasks()))
    session.remove_task("goner")
    assert not session.task_exists("goner") and "goner" not in session
    session.get_task("worker").run(x=1)
    other.run(x=2)
    for task in session.tasks:
        if task.disabled and not me.disabled:
            task.force_run = True
    session.create_task(func=report, start_cond="task 'worker' has succeeded past 1 hour & task 'asleep' has succeeded & daily")
    session.create_task(name="last", start_cond="after task 'report'", func=session.shutdown)
    me.disabled = True


if __name__ == "__main__":
    app.run()

# prints sorted: ['asleep', 'control', 'goner', 'worker'] control worker True 4
# prints sorted: forced, though disabled
# prints sorted: report: True
# prints sorted: worker 1
# prints sorted: worker 2
# differs: 15 the window in which its start was decided
# differs: 26 last_run: it is aware
# differs: 29 the window in which its start was decided
# differs: 35 of a disabled task is refused
# differs: 36 of a disabled task is refused
# differs: 40 the window in which its start was decided
