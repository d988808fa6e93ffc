"""What only a human can rewrite: classes of conditions and periods, Red Bird, the insides."""

from redbird.logging import RepoHandler
from redbird.repos import CSVFileRepo
from redbird.repos import MemoryRepo

from rocketry import Rocketry, Session, session
from rocketry.conditions import DependSuccess, FuncCond, IsPeriod, TaskCond, TaskStarted
from rocketry.core import BaseCondition
from rocketry.log import MinimalRecord
from rocketry.tasks.maintain import ShutDown
from rocketry.time import TimeOfDay

repo = CSVFileRepo(filename="tasks.csv", model=MinimalRecord)
app = Rocketry(session=Session(config={"execution": "main"}), logger_repo=repo, cls_lock=None)
memory = Rocketry(logger_repo=MemoryRepo(), execution="main")


class IsQuiet(BaseCondition):
    def get_state(self):
        return True


@app.task(IsPeriod(TimeOfDay("10:00", "12:00")) & (TaskStarted(task="x") >= 2) & IsQuiet())
def old():
    ...


ShutDown(name="stop", start_cond="daily")


def outside(condition):
    app.session.set_repo(repo, delete_existing=True)
    task = app.session["old"]
    task.func = print
    return condition.observe(session=app.session), old.__rocketry__, app.session.scheduler.n_cycles

# by hand: 3 redbird: the log is kept by a store
# by hand: 4 redbird: the log is kept by a store
# by hand: 7 session: there is no session without an app
# by hand: 8 DependSuccess: write `after_success
# by hand: 8 FuncCond: write a function
# by hand: 8 IsPeriod: use the condition itself
# by hand: 8 TaskCond: make the check a task
# by hand: 8 TaskStarted: write `started`
# by hand: 9 BaseCondition: write a function
# by hand: 11 ShutDown: write a task
# by hand: 12 TimeOfDay: as a condition write `time_of_day`
# by hand: 15 cls_lock: leave it out
# by hand: 15 logger_repo: the log is kept
# by hand: 15 session: give the app itself
# by hand: 19 BaseCondition: write a function
# by hand: 24 IsPeriod: use the condition itself
# by hand: 24 TaskStarted: write `started`
# by hand: 24 TimeOfDay: as a condition write `time_of_day`
# by hand: 29 ShutDown: write a task
# by hand: 33 set_repo: the log is kept
# by hand: 35 func: it is `function`
# by hand: 36 write `oncue.evaluate
# by hand: 36 take its `name`
# by hand: 36 scheduler: it is not a part
# differs: 15 no execution is said
