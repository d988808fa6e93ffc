"""Words: which are keywords of the language, and which names may stand without quotes."""

from __future__ import annotations

import re

BARE = re.compile(r"[^\W\d][\w.:-]*")

OPERATORS = frozenset(("and", "or", "not"))

STARTERS = frozenset(
    """
    true false always never time on weekdays weekends between before after run secondly minutely
    hourly daily weekly monthly yearly every cron once task has while is retry scheduler env param
    not
    """.split()
)
"""The keywords that begin an operand."""

KEYWORDS = STARTERS | frozenset(
    """
    and or in of second minute hour day week month year starting at since last success fail finish
    started succeeded failed finished terminated inacted crashed least most more less than exactly
    times this today past the all any tasks running for ago over cycle cycles exists
    """.split()
)
"""All keywords; tests compare them with the grammar."""


def is_bare(name: str) -> bool:
    """Whether `name` may begin an operand without quotes."""
    return BARE.fullmatch(name) is not None and not is_keyword(name)


def is_keyword(word: str) -> bool:
    """Whether `word` is a keyword, in any case of ASCII letters."""
    return word.isascii() and word.lower() in KEYWORDS
