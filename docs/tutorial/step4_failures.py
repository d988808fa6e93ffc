"""Step 4: a task that fails, is tried again, and is told of."""

from oncue import App, Context

app = App(shut_cond="task 'tell' has succeeded")


@app.task("daily | retry 2 times")
def fetch(context: Context):
    print(f"try {context.attempt + 1}")
    raise ConnectionError("nobody answers")


@app.task("daily & task 'fetch' has failed at least 3 times today")
def tell():
    print("fetch has given up for today")


@app.task("after task 'fetch'")
def load(): ...


if __name__ == "__main__":
    app.run()
    print(app["load"].explain())
