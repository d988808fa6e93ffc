"""The loggers of the standard library, by their names."""

import logging
import logging.config

from rocketry import Rocketry

logging.config.dictConfig({
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"rocketry.scheduler": {"level": "ERROR"}, 'rocketry.task': {"level": "INFO"}},
})
app = Rocketry(execution="main", shut_cond="task 'fails' has failed")


class Show(logging.Handler):
    def emit(self, record):
        print(record.levelname, record.task_name, record.action)


logging.getLogger('rocketry.task').addHandler(Show())
print(logging.getLogger("rocketry").name.isidentifier())


@app.task("daily")
def works():
    ...


@app.task("after task 'works'")
def fails():
    raise ValueError("this is no rocketry.task")


if __name__ == "__main__":
    app.run()

# prints: True
# prints: INFO works run
# prints: INFO works success
# prints: INFO fails run
# prints: ERROR fails fail
# differs: 25 the window in which its start was decided
