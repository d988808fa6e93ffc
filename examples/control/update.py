"""A task that changes another: every option may be assigned at any time, and is checked first.

It prints:

    there is no moon
    with 3 retries, after 10 ms
    done
"""

from oncue import App
from oncue.args import Task
from oncue.conds import daily, retry
from oncue.exc import ConditionSyntaxError, DefinitionError

app = App(shut_cond="task 'idle' has succeeded")


@app.task("false")
def idle():
    print("done")


@app.task(daily)
def update(task=Task("idle")):
    try:
        task.start_cond = "daily & the moon is full"
    except ConditionSyntaxError:
        print("there is no moon")
    try:
        task.priority = "high"
    except DefinitionError:
        task.priority = 10
    task.retries = retry(3, after="10 ms")
    print(f"with {task.retries.times} retries, after 10 ms")
    task.start_cond = "daily"


if __name__ == "__main__":
    app.run()
