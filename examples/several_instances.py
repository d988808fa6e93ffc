"""One app, run several times at once: each due run starts once, whoever is first.

    python examples/several_instances.py postgresql://me:secret@localhost/jobs

Say the same in a second terminal, or on a second machine. Each tells which runs are its own; end
one, by any means, and the others go on with what it leaves. Without an address they share a file.
"""

import os
import sys

from oncue import App, Context

app = App(sys.argv[1] if len(sys.argv) > 1 else "instances.db", timezone="UTC")


@app.task("every 500 ms")
async def bill(context: Context):
    print(f"{os.getpid()} bill {context.scheduled_at:%H:%M:%S.%f}", flush=True)


@app.task("after task 'bill' & ~task 'post' is running")
async def post(context: Context):
    """Wherever `bill` ran; never beside another `post`."""
    print(f"{os.getpid()} post {context.scheduled_at:%H:%M:%S.%f}", flush=True)


if __name__ == "__main__":
    app.run()
