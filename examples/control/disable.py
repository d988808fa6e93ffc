"""A task that disables the others for a while. What runs is not touched.

It prints:

    tick
    disabled: ['tick']
    enabled: ['tick']
    tick
"""

from oncue import App
from oncue.args import Session, Task
from oncue.exc import OncueError

app = App(shut_cond="task 'tick' has succeeded at least 2 times")


@app.task("every 50 ms")
def tick():
    print("tick")


@app.task("task 'tick' has succeeded & daily")
def disable(session=Session(), me=Task(), waker=Task("enable")):
    others = [task for task in session if task not in (me, waker)]
    for task in others:
        task.enabled = False
    print("disabled:", [task.name for task in others])
    try:
        session["tick"].run()
    except OncueError:
        pass  # a disabled task refuses; its `force()` does not


@app.task("after task 'disable'")
def enable(session=Session()):
    sleepers = [task for task in session if not task.enabled]
    print("enabled:", [task.name for task in sleepers])
    for task in sleepers:
        task.enabled = True


if __name__ == "__main__":
    app.run()
