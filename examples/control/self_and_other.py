"""Tasks that look at themselves and at others: `Task()` is the one that asks, `Task(name)` or
`Task(function)` another.

It prints:

    on_self is running: True
    on_self has ended in success
    on_other waits for on_self no more: run
"""

from oncue import App
from oncue.args import Task

app = App(shut_cond="task 'on_other' has succeeded")


@app.task("daily")
def on_self(this=Task()):
    print(f"{this.name} is running: {this.is_running}")


@app.task("after task 'on_self'")
def on_other(this=Task("on_other"), other=Task(on_self)):
    print(f"{other.name} has ended in {other.status}")
    print(f"{this.name} waits for {other.name} no more: {this.status}")


if __name__ == "__main__":
    app.run()
