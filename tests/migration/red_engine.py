"""A program for Red Engine, the library that Rocketry was."""

from redengine import RedEngine
from redengine.args import Arg, Return, Session

app = RedEngine(config={"task_execution": "thread", "shut_cond": "task 'after' has succeeded"}, logger_repo="memory")
app.params(my_arg="Hello")


@app.cond("is foo")
def is_foo():
    return True


@app.param("item")
def get_item():
    return "world"


@app.task("run daily & is foo")
def do_daily():
    return "from daily"


@app.task("after task 'do_daily'")
def after(returned=Return("do_daily"), missing=Return("do_never", default=None), a=Arg("my_arg"), b=Arg("item")):
    print(returned, missing, a, b)


@app.task("every 1 hour", permanent_task=True)
def watch(session=Session()):
    task = session["do_never"]
    task.disable = True
    task.permanent_task = False
    session.config.task_execution = "async"
    print("watching", task.disabled, task.permanent)


@app.task("time of day before 00:00:01 & task 'do_daily' is running")
def do_never():
    ...


if __name__ == "__main__":
    app.run()

# prints sorted: from daily None Hello world
# prints sorted: watching True False
# differs: 20 the window in which its start was decided
# differs: 26 returned nothing, the run fails
# differs: 30 Red Engine measured it from the finish
# differs: 39 true for ever after the first run
