"""The set-up: config by arguments, tasks that are made there, hooks."""

import os

from rocketry import Rocketry
from rocketry.args import Config, EnvArg, Session, Task, TaskLogger

os.environ["STAGE"] = "prod"
app = Rocketry()


@app.setup()
def set_config(config=Config(), stage=EnvArg("STAGE", default="dev")):
    config.execution = "thread"
    config.silence_task_prerun = config.silence_cond_check = stage == "prod"
    config.shut_cond = "task 'made' has succeeded"


@app.setup
def set_tasks(session=Session()):
    print("before")
    session.create_task(func=lambda: print("made"), name="made", start_cond="daily")
    yield
    print("started with", [task.name for task in session.tasks])


@app.session.hook_task_execute()
def around(task=Task()):
    print("hook:", task.name)
    exc_type, exc, traceback = yield
    print("hook:", exc_type)


@app.session.hook_shutdown()
def ended(logger=TaskLogger()):
    print("ended", app.session.config.execution, app.session.config.silence_cond_check)


if __name__ == "__main__":
    app.run()

# prints: before
# prints: started with ['made']
# prints: hook: made
# prints: made
# prints: hook: None
# prints: ended thread True
# differs: 9 no execution is said
# differs: 22 the window in which its start was decided
