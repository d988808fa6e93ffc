"""Where values come from: parameters of the session, functions, the environment, the command
line, and the first of several that has one."""

import os

from rocketry import Rocketry
from rocketry.args import Arg, CliArg, EnvArg, FuncArg, SimpleArg, argument
from rocketry.core.parameters import BaseArgument

os.environ["GREETING"] = "good morning"
app = Rocketry(execution="main", shut_cond="task 'greet' has finished")
app.params(name="world")


def answer():
    return 42


@argument()
def punctuation():
    return "!"


@app.param("unit")
def get_unit():
    return "degrees"


class Doubled(BaseArgument):
    def __init__(self, value):
        self.value = value

    def get_value(self, task=None, session=None):
        return 2 * self.value


@app.task("daily")
def greet(
    greeting=EnvArg("GREETING"),
    name=Arg("name"),
    number=FuncArg(answer),
    unit=Arg("unit"),
    mark=punctuation,
    place=EnvArg("NOWHERE_SET") >> CliArg("--place") >> Arg("place") >> SimpleArg("Oulu"),
    double=Doubled(4),
):
    print(greeting, name, number, unit, place, double, mark)


if __name__ == "__main__":
    app.run()

# prints: good morning world 42 degrees Oulu 8 !
# by hand: 33 **kwargs
# replace: def get_value(self, task=None, session=None): => def get_value(self, task=None, session=None, **kwargs):
# differs: 37 the window in which its start was decided
