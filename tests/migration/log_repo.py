"""The log, kept in a file and read: the records of all tasks, and those of one."""

from redbird.repos import CSVFileRepo

from rocketry import Rocketry
from rocketry.args import Session
from rocketry.conds import daily
from rocketry.log import MinimalRecord

repo = CSVFileRepo(filename="tasks.csv", model=MinimalRecord)
app = Rocketry(logger_repo=repo, execution="async", shut_cond="task 'read' has finished")


@app.task(daily)
def do_things():
    ...


@app.task("after task 'do_things'")
def read(session=Session()):
    task = session["do_things"]
    print(len(task.logger.filter_by(action="run").all()), task.logger.filter_by(action="fail").all())
    print(session.get_repo().filter_by(task_name="do_things").last().action)
    print(session.get_repo().filter_by(action="run").count(), MinimalRecord.__name__)


if __name__ == "__main__":
    app.run()

# prints: 1 []
# prints: success
# prints: 2 MinimalRecord
# by hand: 3 redbird: the log is kept by a store
# by hand: 11 logger_repo: the log is kept by a store
# differs: 14 the window in which its start was decided
# replace: from redbird.repos import CSVFileRepo\n =>
# replace: repo = CSVFileRepo(filename="tasks.csv", model=MinimalRecord)\n =>
# replace: logger_repo=repo, => "tasks.db",
# needs: oncue.log
