"""A task that shuts the app down. Tasks with `on_shutdown` run, and what runs already is waited
for; a second call would not wait.

It prints:

    shutting down
    good night
    the long one has ended
"""

import asyncio

from oncue import App
from oncue.args import Session

app = App()


@app.task("daily")
async def long_one():
    await asyncio.sleep(0.3)
    print("the long one has ended")


@app.task("daily & task 'long_one' is running", execution="thread")
def shut_down(session=Session()):
    print("shutting down")
    session.shut_down()


@app.task(on_shutdown=True)
def tidy():
    print("good night")


if __name__ == "__main__":
    app.run()
