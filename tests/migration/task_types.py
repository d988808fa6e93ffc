"""Functions, commands, code, functions in files; with a decorator and without."""

from pathlib import Path

from rocketry import FuncTask, Rocketry
from rocketry.tasks import CodeTask, CommandTask

app = Rocketry(shut_cond="task 'apart' has succeeded")
Path("job.py").write_text("def main(x):\n    print('a file,', x)\n")


def made():
    print("created")


@app.task("daily", "described", execution="thread", description="by its second argument")
def some_function():
    print("described")


app.task("after task 'described'", command=["echo", "one"], name="echo one", argform="--")
CodeTask(code="print('code')", name="coded", start_cond="after task 'echo one'", session=app.session)
app.task("after task 'coded'", path="job.py", parameters={"x": 1}, name="delayed", cache=False)
app.session.create_task(func=made, start_cond="after task 'delayed'")


@FuncTask(session=app.session, start_cond="after task 'made'", execution="thread")
def apart():
    print("apart")


CommandTask(command=["false"], name="not started", session=app.session, disabled=True)
CodeTask(code="1 / 0", name="not started either", session=app.session)

if __name__ == "__main__":
    app.run()

# prints: described
# prints: code
# prints: a file, 1
# prints: created
# prints: apart
# differs: 8 no execution is said
# differs: 16 the window in which its start was decided
# by hand: 23 cache: leave it out
# replace: , cache=False =>
