"""Conditions that mean something else, and some that were never what they looked like."""

import datetime

from rocketry import Rocketry
from rocketry.conds import cron, daily, failed, monthly, scheduler_cycles, time_of_day

NIGHTLY = "daily between 22 and 4"
app = Rocketry(
    execution="thread",
    timezone=datetime.timezone.utc,
    multilanch=True,
    shut_cond="task 'now' has succeeded",
)


@app.task("every 1 day")
def now():
    print("ran")


@app.task(NIGHTLY)
def bare_hours(): ...


@app.task(daily.between(10, 12) & time_of_day.before(13) & daily.after("10"))
def numbers(): ...


@app.task("monthly on 31st | monthly between 30th and 5th" if NIGHTLY else "monthly on 1st")
def short_months(): ...


@app.task(monthly.at(30))
def short_months_too(): ...


@app.task("daily & ~has succeeded today between 10:00 and 12:00", end_cond=failed.today.before("10:00"))
def again(): ...


@app.task("after tasks 'now', 'again' finished")
def follows(): ...


@app.task("after task 'now', 'again'")
def follows_both(): ...


@app.task("hourly && daily", timeout=0)
def two(): ...


@app.task(cron("0 0 * * */2") | cron(day_of_week="1-5/2"))
def every_other_day(): ...


@app.task("cron 0 0 * * */2")
def every_other_day_too(): ...


@app.task("scheduler has more than 3 cycles & param 'x' exists", force_run=True)
def after_cycles(): ...


@app.task(f"daily after {NIGHTLY}" if not NIGHTLY else scheduler_cycles(more_than=1000))
def unknown(): ...


if __name__ == "__main__":
    app.run()

# prints: ran
# by hand: 12 'multilanch'; did you mean 'multilaunch'
# by hand: 46 several tasks are listed
# by hand: 50 daily
# by hand: 50 timeout=0
# by hand: 62 force_run: leave it out
# differs: 8 a bare number is an hour
# differs: 8 the window in which its start was decided
# differs: 11 days are those of the zone
# differs: 17 keeps its rhythm
# differs: 26 it ended at 13 hours
# differs: 26 it ended at 14 hours
# differs: 26 a bare number is an hour
# differs: 26 the window in which its start was decided
# differs: 30 fell into the next month
# differs: 30 the window in which its start was decided
# differs: 34 fell into the next month
# differs: 34 the window in which its start was decided
# differs: 38 before the range has begun
# differs: 38 the window in which its start was decided
# differs: 42 also terminated
# differs: 54 steps of the weekday
# differs: 54 too busy to look
# differs: 58 steps of the weekday
# differs: 58 too busy to look
# differs: 62 a cycle is a look
# differs: 62 it never was in a running app
# differs: 66 a cycle is a look
# differs: 66 made when the program runs
# replace:     multilanch=True,\n =>
# replace: after task 'now', 'again' => after tasks 'now', 'again'
# replace: hourly && daily => hourly & daily
# replace: , timeout=0 =>
# replace: , force_run=True =>
