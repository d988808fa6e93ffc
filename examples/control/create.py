"""A task that creates another. It is planned at once, like those there were before.

It prints:

    made while the app runs, for Oulu
"""

from oncue import App
from oncue.args import Session
from oncue.conds import after_success, every

app = App(shut_cond="task 'made' has succeeded")


def greet(place):
    print("made while the app runs, for", place)


@app.task("daily")
def create(session=Session()):
    session.create_task(
        func=greet,
        name="made",
        start_cond=every("1 hour") & after_success(create),
        parameters={"place": "Oulu"},
    )


if __name__ == "__main__":
    app.run()
