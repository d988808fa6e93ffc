"""A program of several files: groups of tasks, conditions and arguments apart."""

from rocketry import Rocketry
from rocketry.args import Config

from jobs import evening
from jobs.morning import group as morning

app = Rocketry(config={"task_execution": "thread", "use_instance_naming": True})
app.include_grouper(morning)
app.include_grouper(evening.group)


@app.setup()
def set_config(config=Config()):
    config.shut_cond = "task 'evening.tidy' has succeeded"


if __name__ == "__main__":
    app.run()

# prints: hello from wake
# prints: tidied
