"""A task that restarts the app: this process runs the same program anew (`config.restarting`).

It prints:

    restarting
    the log is what it was
"""

import sys
from pathlib import Path

from oncue import App
from oncue.args import Session

STORE = Path(sys.argv[1] if len(sys.argv) > 1 else "restart.db")
app = App(STORE, shut_cond="task 'look' has succeeded")


@app.task("~has started")  # not in this life, nor in those before it
def restart(session=Session()):
    print("restarting")
    session.restart()


@app.task("daily & task 'restart' has succeeded")
def look():
    print("the log is what it was")


if __name__ == "__main__":
    app.run()
