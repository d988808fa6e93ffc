"""What has become slower since the stored baseline: `python benchmarks/guard.py RUN.json`.

RUN.json is what pytest-benchmark wrote (`--benchmark-json`). Medians are divided by that of the
calibration loop of the same run, so that a slower machine, or a busy one, slows both. More than
25 % above the baseline is a warning, and no failure: times are for people, CI asserts work.
`--save` makes this run the baseline.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

BASELINE = Path(__file__).parent / "baseline.json"
CALIBRATION = "benchmarks/test_calibration.py::test_calibration"
WORSE = 1.25


def normalised(run: dict[str, object]) -> dict[str, float]:
    """The medians of a run, in loops of the calibration."""
    found = {bench["fullname"]: bench["stats"]["median"] for bench in run["benchmarks"]}  # type: ignore[attr-defined]
    if CALIBRATION not in found:
        raise SystemExit("guard: the run has no calibration; run all of benchmarks/")
    unit = found.pop(CALIBRATION)
    return {name: median / unit for name, median in sorted(found.items())}


def compared(now: dict[str, float], before: dict[str, float]) -> list[str]:
    """A line for each benchmark, the slower first."""
    both = sorted(now.keys() & before.keys(), key=lambda name: before[name] / now[name])
    lines = []
    for name in both:
        ratio = now[name] / before[name]
        sign = "WARNING" if ratio > WORSE else "       "
        lines.append(f"{sign}  {ratio:6.2f}  {name}")
    lines += [f"new              {name}" for name in sorted(now.keys() - before.keys())]
    return lines


def main(path: str, *options: str) -> None:
    now = normalised(json.loads(Path(path).read_text()))
    if "--save" in options:
        rounded = {name: float(f"{value:.4g}") for name, value in now.items()}
        BASELINE.write_text(json.dumps(rounded, indent=1) + "\n")
        print(f"saved {len(now)} figures in {BASELINE.name}")
        return
    lines = compared(now, json.loads(BASELINE.read_text()))
    print("times the baseline, both in calibration loops:", *lines, sep="\n")
    slower = sum(line.startswith("WARNING") for line in lines)
    print(f"{slower} of {len(lines)} are more than {WORSE - 1:.0%} slower than the baseline")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
