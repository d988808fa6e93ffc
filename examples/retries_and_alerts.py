"""A service that fails now and then: tries with longer and longer pauses, and an alert at the end.

    python examples/retries_and_alerts.py

`fetch` is tried five times, about a second, two, four and eight apart. When the last of them has
failed, `alert` says so, at most once an hour; `all_clear` does once, when nothing has failed for
ten minutes. Whom they tell is one function: put your mail or pager there.
"""

import random

from oncue import App, Context
from oncue.conds import retry

TRIES = 5
app = App()


def tell(text):
    print(text, flush=True)


@app.task(
    "every 5 minutes",
    retries=retry(TRIES - 1, after="1 s", backoff=2, jitter=0.1),
    timeout="20 s",
)
async def fetch(context: Context):
    if random.random() < 0.7:
        raise ConnectionError("the service does not answer")
    return f"fetched by try {context.attempt + 1}"


@app.task(f"every 1 hour & task 'fetch' has failed at least {TRIES} times past 5 minutes")
def alert():
    tell(f"fetch has failed {TRIES} times")


@app.task("after tasks 'alert', 'fetch' & ~task 'fetch' has failed past 10 minutes")
def all_clear():
    tell("fetch works again")


if __name__ == "__main__":
    app.run()
