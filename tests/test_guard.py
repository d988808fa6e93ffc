"""The comparison of benchmarks with their baseline."""

import json
from pathlib import Path
from typing import Any

import pytest

from oncue.benchmarks import guard


def run(**medians: float) -> dict[str, Any]:
    rows = {guard.CALIBRATION: medians.pop("calibration"), **medians}
    return {"benchmarks": [{"fullname": k, "stats": {"median": v}} for k, v in rows.items()]}


def test_a_machine_that_is_slower_as_a_whole_warns_of_nothing() -> None:
    before = guard.normalised(run(calibration=1.0, a=2.0, b=3.0))
    now = guard.normalised(run(calibration=4.0, a=8.0, b=15.2))
    assert guard.compared(now, before) == ["WARNING    1.27  b", "           1.00  a"]


def test_it_saves_compares_and_says_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(guard, "BASELINE", tmp_path / "baseline.json")
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run(calibration=1.0, a=1.0)))
    guard.main(str(path), "--save")
    path.write_text(json.dumps(run(calibration=1.0, a=1.5, c=1.0)))
    guard.main(str(path))
    out = capsys.readouterr().out
    assert "WARNING    1.50  a" in out and "new              c" in out
    assert "1 of 2 are more than 25% slower" in out


def test_a_run_without_its_measure_says_nothing() -> None:
    with pytest.raises(SystemExit, match="no calibration"):
        guard.normalised({"benchmarks": []})


def test_the_stored_baseline_knows_the_benchmarks_there_are() -> None:
    stored = json.loads(guard.BASELINE.read_text())
    files = {name.partition("::")[0] for name in stored}
    folder = Path(guard.__file__).parent
    assert files == {f"benchmarks/{p.name}" for p in folder.glob("test_*.py")} - {
        "benchmarks/test_calibration.py"
    }
