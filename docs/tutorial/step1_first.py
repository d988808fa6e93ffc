"""Step 1: a task and the sentence that starts it."""

from oncue import App

app = App(shut_cond="task 'hello' has succeeded at least 3 times")


@app.task("every 1 second")
def hello():
    print("hello")


if __name__ == "__main__":
    app.run()
