"""Step 3: a task after another, with what that returned."""

from oncue import App
from oncue.args import Return

app = App(shut_cond="task 'report' has succeeded")


@app.task("daily")
def extract():
    return [3, 1, 2]


@app.task("after task 'extract'")
def order(numbers=Return("extract")):
    return sorted(numbers)


@app.task("after task 'order'")
async def report(numbers=Return("order")):
    print("the largest is", numbers[-1])


if __name__ == "__main__":
    app.run()
