"""A report in four steps, each made of what the one before it returned.

    python examples/report_pipeline.py

Once a day after six, it reads orders, leaves out what is none, adds up per customer in a process of
its own, and writes totals.csv. A step that fails keeps those behind it from starting; where by
seven no report is written, whatever the cause, `tell` says so.
"""

import csv
from collections import defaultdict
from pathlib import Path

from oncue import App
from oncue.args import Return

ORDERS = Path(__file__).parent / "orders.csv"
app = App()


@app.param("target")
def target():
    return Path("totals.csv")


@app.task("daily after 06:00", retries=2)
def extract():
    return ORDERS.read_text(encoding="utf-8")


@app.task("after task 'extract'")
def clean(text=Return("extract")):
    return [row for row in csv.DictReader(text.splitlines()) if row["price"]]


@app.task("after task 'clean'", execution="process")
def add_up(orders=Return("clean")):
    totals: dict[str, float] = defaultdict(float)
    for order in orders:
        totals[order["customer"]] += float(order["price"])
    return dict(totals)


@app.task("after task 'add_up'")
def write(target, totals=Return("add_up")):
    lines = [f"{customer},{total:.2f}" for customer, total in sorted(totals.items())]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{target}: {len(lines)} customers")


@app.task("daily after 07:00 & ~task 'write' has succeeded today & scheduler has run over 1 minute")
def tell():
    states = ", ".join(f"{task.name}: {task.status}" for task in app)
    print(f"no report yet: {states}")


if __name__ == "__main__":
    app.run()
