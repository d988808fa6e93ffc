"""Windows and their algebra: sets of instants that conditions on time denote.

From the bottom: `dial` (a day of the wall clock), `almanac` (the kinds of days), `pattern` (a wall
clock for all years), `anchored` and `cron` (patterns of nodes), `algebra` (combinations), `spans`
(dates), `pieces` (combinations in real time, daylight saving and all), `changes` (of offset, and
which are alike), `grounds` (why an instant is no hit), `timeline` (searches), `normal` (what is
equal by the laws of sets), `period` (what others see), `compiling` (nodes to periods).
"""

from .compiling import is_window as is_window
from .compiling import period_of as period_of
from .period import ALWAYS as ALWAYS
from .period import NEVER as NEVER
from .period import Cursor as Cursor
from .period import Period as Period
from .period import Window as Window
