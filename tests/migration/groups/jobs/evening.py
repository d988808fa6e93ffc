import jobs.morning
from rocketry import Grouper
from rocketry.conds import after_success, true

group = Grouper("evening.", true & after_success("morning.wake"))


@group.task("daily after 00:00 && true")
def tidy():
    print("tidied")


assert jobs.morning.group.session["wake"].disabled is False

# by hand: 8 '&&' is written &
# replace: && => &
