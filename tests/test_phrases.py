"""Custom conditions: phrases, calls, patterns and definitions; what is refused, and how long
they take."""

import re

import pytest

from oncue.conds.nodes import Argument, Call, Condition, Defined, Phrase, postorder
from oncue.conds.points import Clock, Duration
from oncue.grammar import ConditionSyntaxError, parse
from oncue.grammar.phrases import PhraseError, Phrases

DISK = "disk is below {percent:int} percent"


def values(text: str, *templates: object) -> dict[str, Argument]:
    node = parse(text, phrases=Phrases(templates))
    assert isinstance(node, Phrase)
    return dict(node.values)


# --- what is read ---------------------------------------------------------------------------


def test_a_phrase_is_an_operand_like_any_other() -> None:
    phrases = Phrases([DISK])
    disk = Phrase(DISK, (("percent", 5),))
    text = "daily & ~(disk is below 5 percent | hourly) & disk is below 5 percent in UTC"
    found = [node for node in postorder(parse(text, phrases=phrases)) if node == disk]
    assert len(found) == 2
    assert found[0].span is not None
    assert text[found[0].span.start : found[0].span.end] == "disk is below 5 percent"
    for written in (
        "DISK Is below\n5 percent",
        "disk is below 05 percent",
        "(disk is below 5 percent)",
    ):
        assert parse(written, phrases=phrases) == disk


@pytest.mark.parametrize(
    ("template", "text", "value"),
    [
        ("x {v}", "x word", "word"),
        ("x {v:name}", "x 'two words'", "two words"),
        ("x {v}", r"x 'it\'s'", "it's"),
        ("x {v} y", "x daily y", "daily"),
        ("x {v:int}", "x -5", -5),
        ("x {v:float}", "x 5", 5.0),
        ("x {v:float}", "x -0.5", -0.5),
        ("x {v:duration}", "x 1 h 30 min", Duration(5_400_000_000)),
        ("x {v:duration} y", "x 00:10:00 y", Duration(600_000_000)),
        ("x {v:time}", "x 10:30 pm", Clock(81_000_000_000)),
        ("x {v:time} y", "x noon y", Clock(43_200_000_000)),
        ("{v:int} x", "5 x", 5),
    ],
)
def test_placeholders_have_kinds(template: str, text: str, value: Argument) -> None:
    (found,) = values(text, template).values()
    assert found == value and type(found) is type(value)
    node = parse(text, phrases=Phrases([template]))
    assert parse(str(node), phrases=Phrases([template])) == node


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("x {v:int}", "x 1.5"),
        ("x {v:int}", "x five"),
        ("x {v:int}", "x 1234567890123456789"),
        ("x {v:float}", "x 1e5"),
        ("x {v:duration}", "x 10"),
        ("x {v:duration}", "x 10 minuts"),
        ("x {v:duration}", "x 0 s"),
        ("x {v:time}", "x 25:00"),
        ("x {v}", "x two words"),
        ("x {v}", "x ''y"),
        ("x {v}", r"x '\n'"),
        (DISK, "disk is below 5"),
        (DISK, "disk is below 5 percent hourly"),
        (DISK, "disk is below 5 percents"),
    ],
)
def test_what_is_not_of_the_kind_is_an_error(template: str, text: str) -> None:
    with pytest.raises(ConditionSyntaxError):
        parse(text, phrases=Phrases([template]))


def test_the_longest_phrase_is_taken() -> None:
    phrases = Phrases(["disk is low", "disk is low today", "disk is low by {n:int}"])
    assert str(parse("disk is low", phrases=phrases)) == "disk is low"
    assert str(parse("disk is low today", phrases=phrases)) == "disk is low today"
    assert str(parse("disk is low by 5 & daily", phrases=phrases)) == "disk is low by 5 & daily"


def test_values_of_several_words_leave_the_template_its_own() -> None:
    templates = ("foo {y:duration}", "foo {x:int} bar", "up {d:duration} 5 s x")
    hour = Duration(3_600_000_000)
    assert values("foo 1 h", *templates) == {"y": hour}
    assert values("foo 1 bar", *templates) == {"x": 1}
    assert values("up 1 h 5 s x", *templates) == {"d": hour}
    assert values("foo 1 day 02:00:00", *templates) == {"y": Duration(26 * hour.microseconds)}
    with pytest.raises(ConditionSyntaxError, match="minutes"):
        parse("foo 10 minuts", phrases=Phrases(templates))


def test_a_call_takes_days_and_a_clock() -> None:
    assert parse("f(1 d 02:00:00)") == Call("f", (Duration(26 * 3_600_000_000),))
    assert parse("f(1 d, 02:00:00)") == Call(
        "f", (Duration(24 * 3_600_000_000), Duration(2 * 3_600_000_000))
    )


def test_calls_are_checked_when_functions_are_known() -> None:
    phrases = Phrases(["is_holiday()"])
    assert parse("is_holiday('FI', 1)", phrases=phrases) == Call("is_holiday", ("FI", 1))
    with pytest.raises(
        ConditionSyntaxError, match=r"unknown condition 'is_holday': is_holiday\(\)"
    ):
        parse("is_holday('FI')", phrases=phrases)
    with pytest.raises(ConditionSyntaxError, match="unknown condition 'other'"):
        parse("daily & other()", phrases=phrases)
    assert parse("anything()") == Call("anything")


def test_an_app_without_custom_conditions_knows_no_calls() -> None:
    with pytest.raises(ConditionSyntaxError, match="unknown condition"):
        parse("f()", phrases=Phrases())


def test_patterns_see_one_operand() -> None:
    phrases = Phrases([re.compile(r"is at (?P<place>.+)"), re.compile(r"is at .*|was (?P<x>\w)?y")])
    home = Phrase(r"is at (?P<place>.+)", (("place", "home"),), "is at home")
    assert parse("is at home", phrases=phrases) == home
    assert parse("is at home & daily", phrases=phrases).operands[0] == home
    assert parse("is at home and daily", phrases=phrases).operands[0] == home
    assert parse("~(is at home | daily)", phrases=phrases).operands[0].operands[0] == home
    quoted = parse("is at 'a & b' or daily", phrases=phrases).operands[0]
    assert isinstance(quoted, Phrase) and quoted.values == (("place", "'a & b'"),)
    assert parse("was y", phrases=phrases) == Phrase(r"is at .*|was (?P<x>\w)?y", (), "was y")
    for node in (home, ~home, home.in_zone("UTC"), home & quoted):
        assert parse(str(node), phrases=phrases) == node
    with pytest.raises(ConditionSyntaxError):
        parse("is at (home)", phrases=phrases)


def test_the_core_grammar_wins_over_patterns() -> None:
    phrases = Phrases([re.compile(".+")])
    assert parse("daily after 10:00", phrases=phrases) == parse("daily after 10:00")
    assert isinstance(parse("daily afterwards", phrases=phrases), Phrase)


def test_definitions_are_names_of_conditions() -> None:
    phrases = Phrases()
    phrases.define("business hours", "weekdays & time of day between 9 and 17")
    phrases.define("quiet", parse("~business hours", phrases=phrases))
    hours = parse("Business  Hours in UTC", phrases=phrases).operands[0]
    assert isinstance(hours, Defined)
    assert hours.term == parse("weekdays & time of day between 9 and 17")
    assert str(parse("daily & quiet", phrases=phrases)) == "daily & quiet"
    assert parse("quiet", phrases=phrases).nesting == 2
    assert all(node.span is None for node in postorder(hours.term))


def test_definitions_of_definitions_nest_within_limits() -> None:
    phrases = Phrases([("d0", "daily")])
    for level in range(1, 200):
        phrases.define(f"d{level}", f"d{level - 1}")
    with pytest.raises(ValueError, match="at most 200"):
        phrases.define("d200", "d199")
        parse("d200", phrases=phrases)


def test_many_placeholders_are_registered_soon() -> None:
    phrases = Phrases(["{a} has {b} {c} {d} since {x:int} z"])
    assert len(phrases.templates) == 1


def test_any_items_make_a_registry() -> None:
    node = parse(f"{DISK.replace('{percent:int}', '5')} & f()", phrases=(DISK, "f()"))
    assert isinstance(node.operands[0], Phrase)
    with pytest.raises(TypeError):
        parse("daily", phrases=(5,))


def test_texts_are_read_again_when_something_is_added() -> None:
    phrases = Phrases()
    with pytest.raises(ConditionSyntaxError):
        parse("disk is low", phrases=phrases)
    phrases.add_phrase("disk is low")
    first = parse("disk is low", phrases=phrases)
    assert parse("disk is low", phrases=phrases) is first
    phrases.add_call("f")
    assert parse("disk is low", phrases=phrases) == first


def test_errors_name_near_phrases() -> None:
    phrases = Phrases([DISK, ("business hours", "weekdays")])
    for text in ("disk is bellow 5 percent", "disc is below 5 percent"):
        with pytest.raises(ConditionSyntaxError, match="disk is below"):
            parse(text, phrases=phrases)
    with pytest.raises(ConditionSyntaxError, match="& or | is missing"):
        parse("daily disk is below 5 percent", phrases=phrases)


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "reading"),
    [
        ("daily", "as daily"),
        ("every {n:int} minutes", "every 1 minute"),
        ("every {d:duration}", "every 10 minutes"),
        ("daily at {t:time}", "daily at 10:00"),
        ("after task {name}", "after task 'x1'"),
        ("{x} daily", "env 'daily'"),
        ("run {x}", "daily"),
        ("{x} & y", None),
        ("disk is {what} {percent:int} percent", "the phrase 'disk is below"),
        ("disk is below {other:float} percent", "the phrase 'disk is below"),
        ("disk is below {t:time} percent", "the phrase 'disk is below"),
        ("disk is below 5 percent", "the phrase 'disk is below"),
        ("Disk IS below {p:int} percent", "the phrase 'disk is below"),
        ("disk is below 5 percent in {zone}", "the phrase 'disk is below"),
        ("warm", "the phrase 'warm in {place}'"),
        ("cold {x} {y}", "the phrase 'cold {x:name} spell'"),
        ("foo {y:duration}", "the phrase 'foo {x:int} s'"),
        ("bar {x:int} s", "the phrase 'bar {y:duration}'"),
        ("bar {x:float} h", "the phrase 'bar {y:duration}'"),
        ("bar {x:int} {y}", "the phrase 'bar {y:duration}'"),
        ("bar {x:duration} {y:duration}", "the phrase 'bar {y:duration}'"),
        ("baz {x:duration} {y:duration}", "with x = 1h, y = 1h 00:10:00, and with x = 1h 1h"),
        ("yearly {a} {b}", "as yearly"),
        ("weekly {a} {b}", "as weekly"),
        ("monthly {a} {b}", "as monthly"),
        ("{a} {b} {c:int} {d}", "every 1 day"),
        ("{a} {b} task", "as "),
        ("time {a} {b} after {t:time}", "as time of day after 10:00"),
    ],
)
def test_a_phrase_that_can_be_read_two_ways_is_refused_with_both(
    template: str, reading: str | None
) -> None:
    known = [DISK, "warm in {place}", "cold {x:name} spell", "foo {x:int} s", "bar {y:duration}"]
    phrases = Phrases(known)
    before = phrases.templates
    with pytest.raises(PhraseError) as caught:
        phrases.add_phrase(template)
    if reading is not None:
        assert repr(template) in str(caught.value) and reading in str(caught.value)
    assert phrases.templates == before


@pytest.mark.parametrize(
    "template",
    [
        "",
        "  ",
        "a and b",
        "or",
        "not ready",
        "in x",
        "a (b)",
        "a | b",
        "it's",
        "a, b",
        "#x",
        "{x:foo}",
    ]
    + ["{x}% full", "{} y", "a {b", "same {x} {x}", "x " * 65, "x" * 5000, "{x:int"],
)
def test_malformed_templates_are_refused(template: str) -> None:
    with pytest.raises(PhraseError):
        Phrases().add_phrase(template)


def test_what_is_registered_twice_is_refused() -> None:
    phrases = Phrases([DISK, "f()", re.compile("is x")])
    for item in (DISK, "f()", re.compile("is x"), (DISK, "daily")):
        with pytest.raises(PhraseError):
            phrases.add(item)


def test_impossible_patterns_and_definitions_are_refused() -> None:
    phrases = Phrases()
    with pytest.raises(PhraseError, match="nothing at all"):
        phrases.add_pattern(re.compile(".*"))
    with pytest.raises(PhraseError, match="bytes"):
        phrases.add_pattern(re.compile(b"x"))  # type: ignore[arg-type]
    with pytest.raises(PhraseError, match="no placeholders"):
        phrases.define("x {y}", "daily")
    with pytest.raises(ConditionSyntaxError):
        phrases.define("x", "daily &")
    with pytest.raises(PhraseError, match="two ways"):
        phrases.define("weekdays", "daily")


# --- work -----------------------------------------------------------------------------------


def many(count: int) -> Phrases:
    """Phrases that begin alike, and differ late."""
    phrases = Phrases()
    for number in range(count):
        phrases.add_phrase(f"the sensor number {number} is above {{x:int}} degrees")
    return phrases


def test_many_phrases_are_found_by_their_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work of matching does not grow with the number of phrases."""
    import oncue.grammar.phrases as module

    def steps(phrases: Phrases) -> int:
        taken = 0
        real = module.branches

        def counted(*args: object) -> object:
            nonlocal taken
            taken += 1
            return real(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(module, "branches", counted)
        found = phrases.match("the sensor number 7 is above 5 degrees", 0)
        monkeypatch.setattr(module, "branches", real)
        assert found is not None
        return taken

    assert steps(many(200)) == steps(many(10))


def test_registering_looks_at_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work of registering one more does not grow with the number there are."""
    import oncue.grammar.ambiguity as module

    taken = 0
    real = module.moves

    def counted(*args: object) -> object:
        nonlocal taken
        taken += 1
        return real(*args)  # type: ignore[arg-type]

    small, large = many(10), many(300)
    monkeypatch.setattr(module, "moves", counted)
    work = []
    for phrases in (small, large):
        taken = 0
        phrases.add_phrase("the sensor number 1000 is above {x:int} degrees")
        work.append(taken)
    assert work[0] == work[1]


def test_a_phrase_prints_and_reads_back() -> None:
    template = "{a} of {b:int} or-so {c:float} for {d:duration} at {e:time}"
    node: Condition = Phrase(
        template,
        (
            ("a", "it's"),
            ("b", -1),
            ("c", 0.25),
            ("d", Duration(90_000_000)),
            ("e", Clock(36_000_000_000)),
        ),
    )
    assert str(node) == r"'it\'s' of -1 or-so 0.25 for 1 minute 30 seconds at 10:00"
    assert parse(str(node), phrases=(template,)) == node
