"""A task that removes another, and then itself.

It prints:

    ['do_things', 'remove']
    []
"""

from oncue import App
from oncue.args import Session, Task

app = App(shut_cond="scheduler has run over 300 ms")


@app.task("false")
def do_things(): ...


@app.task("daily")
def remove(session=Session(), me=Task()):
    print([task.name for task in session])
    session.remove_task("do_things")  # by its name, itself or its function
    me.delete()
    print([task.name for task in session])


if __name__ == "__main__":
    app.run()
