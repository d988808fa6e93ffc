"""Tasks one after another, and what one returns as what the next is given."""

from rocketry import Rocketry
from rocketry.args import Return

app = Rocketry(config={
    "task_execution": "async",  # the default of the house
    "task_priority": 3,
    "shut_cond": "task 'load' has succeeded",
})


@app.task("daily")
def extract():
    return [1, 2, 3]


@app.task("after task 'extract'")
def transform(rows=Return("extract")):
    return [10 * row for row in rows]


@app.task("after task 'transform' succeeded")
def load(rows=Return(transform)):
    print("loaded", rows)


if __name__ == "__main__":
    app.run(debug=True)

# prints: loaded [10, 20, 30]
# differs: 13 the window in which its start was decided
