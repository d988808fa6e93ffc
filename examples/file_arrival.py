"""Files are taken in as they arrive.

    python examples/file_arrival.py        then copy a file into ./inbox

The condition is a sentence of the app's own, looked at every second. What arrives is moved, and by
that the condition is false again; a file that cannot be read goes to ./refused, so that it
does not come up for ever. Should the task itself fail, it rests for a minute.
"""

import json
import time
from pathlib import Path

from oncue import App

SETTLED = 1  # seconds without a change: nobody writes it any more
app = App()
app.session.parameters["folder"] = "inbox"


def arrived(folder):
    """The files that are there as a whole, the oldest first."""
    files = [path for path in Path(folder).glob("*.json") if path.is_file()]
    whole = [path for path in files if time.time() - path.stat().st_mtime >= SETTLED]
    return sorted(whole, key=lambda path: path.stat().st_mtime)


@app.cond("a file has arrived in {folder:name}", every="1 s")
def has_arrived(folder):
    return bool(arrived(folder))


@app.task("a file has arrived in inbox & ~has failed past 1 minute")
def take_in(folder):
    for path in arrived(folder):
        try:
            orders = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            print(f"{path.name} is refused: {error}")
            moved(path, "refused")
        else:
            print(f"{path.name}: {len(orders)} orders")
            moved(path, "done")


def moved(path, folder):
    Path(folder).mkdir(exist_ok=True)
    path.rename(Path(folder) / path.name)


if __name__ == "__main__":
    Path("inbox").mkdir(exist_ok=True)
    app.run()
