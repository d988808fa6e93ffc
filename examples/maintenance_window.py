"""The nightly maintenance of a database: in its window, one step after another, and over by five.

    python examples/maintenance_window.py
    oncue simulate examples/maintenance_window.py --days 1 --duration vacuum=6h

Work by day rests at night. The backup waits until nothing of the day's work is running; what has
not ended by five is ended, and then somebody is told.
"""

import logging
import subprocess
import sys

from oncue import App

app = App()
app.define("night", "time of day between 01:00 and 05:00")


@app.task("every 10 minutes & ~night")
def sync():
    """The day's work."""


@app.task("daily between 01:00 and 05:00 & ~task 'sync' is running")
def backup():
    subprocess.run([sys.executable, "-c", "print('backed up')"], check=True)


@app.task("night & after task 'backup'", end_cond="~night", timeout="never")
def vacuum():
    print("vacuumed")


@app.task("night & after task 'vacuum'", end_cond="~night", timeout="never")
def check():
    print("checked")


@app.task("daily between 05:00 and 06:00 & ~task 'check' has succeeded today")
def tell():
    logging.error("the night's maintenance did not end")


if __name__ == "__main__":
    app.run()
