#!/usr/bin/env python3
# The ways to import, each under its own name.
import json, rocketry, os  # several at once
import rocketry as rk
import rocketry.conds as rc
from rocketry import conds, Grouper as Group  # a module and a class
from rocketry.conditions.api import daily as each_day
from rocketry.parse import parse_condition
from rocketry import (
    FuncTask,  # decorates
    Rocketry as Scheduler,
)

if True: from rocketry.args import Return, Session

app = rk.Rocketry(execution="main", shut_cond=rc.succeeded("löppu"))
other: rocketry.Rocketry = rocketry.Rocketry(execution="thread"); third = Scheduler(execution="main")


@app.task(rocketry.conds.daily & ~rk.conds.failed)
def alku():
    return "ä"


@app.task(conds.after_success(alku) & each_day & parse_condition("daily"))
def löppu(x=Return(alku), é=rocketry.args.Session(), s=Session()): print(x, é is s, isinstance(other, rocketry.Rocketry), Group("g.").prefix, FuncTask.__name__)


if __name__ == "__main__":
    app.run()

# prints: ä True True g. FuncTask
# differs: 20 the window in which its start was decided
# differs: 25 the window in which its start was decided
