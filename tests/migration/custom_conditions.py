"""Conditions of one's own: with words, with a pattern, with arguments, without an app."""

import re
from pathlib import Path

from rocketry import Rocketry
from rocketry.args import Session, Task
from rocketry.conds import condition, daily, every

app = Rocketry(execution="async", config={"shut_cond": "task 'by_words' has succeeded & task 'by_call' has succeeded"})


@app.cond("is foo")
def is_foo():
    return True


@app.cond(re.compile(r"(?P<file>\S+) is there"))
def is_there(file):
    return Path(file).exists()


@app.cond()
def file_exists(file):
    return Path(file).exists()


@app.cond()
def is_right_task(this_task=Task(), session=Session()):
    return this_task.name.startswith("by_") and this_task.name in session


@condition()
def is_ready():
    return True


@app.task("daily & is foo & ~no/such/file is there")
def by_words():
    print("words")


@app.task(daily & file_exists(__file__) & is_right_task & is_ready)
def by_call():
    print("call")


@app.task(every("10 ms") & is_right_task)
def never():
    print("never")


if __name__ == "__main__":
    app.run()

# prints: words
# prints: call
# differs: 38 the window in which its start was decided
# differs: 43 the window in which its start was decided
# differs: 48 keeps its rhythm
