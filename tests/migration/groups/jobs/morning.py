from rocketry import Grouper
from rocketry.args import Task
from rocketry.conds import true

from .arguments import greeting
from .conditions import awake

group = Grouper(prefix="morning.", start_cond=true)


@group.task(awake & awake)
def nothing_of_the_peer(): ...


@group.task("daily", permanent_task=False)
def wake(text=greeting, task=Task()):
    print(text, "from", task.name.removeprefix("morning."))


group.session["nothing_of_the_peer"].disabled = True

# differs: 15 the window in which its start was decided
