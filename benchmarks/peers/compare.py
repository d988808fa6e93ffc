"""oncue and its peers side by side, measured in one run: `python benchmarks/peers/compare.py`.

The peers get an environment of their own, benchmarks/peers/.venv, made from requirements.txt and
kept until that file changes; oncue runs in the python that runs this script. The sides take turns,
ROUNDS times, so that a busy moment of the machine falls on all; what is printed is the median of
all samples and, as ratio, the peer's median over oncue's: above 1, oncue is that much ahead.
A peer that cannot be installed, or a scenario that a side cannot do, is said in its place.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TextIO

import oncue

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
PEERS = HERE / ".venv"
ROUNDS = 3
SIDES = ("rocketry", "apscheduler", "pyncette")  # with a side_NAME.py; the others are imported
IMPORTED = ("rocketry", "apscheduler", "pyncette", "cronsim", "croniter")
IMPORT_SAMPLES = 9


@dataclass(slots=True)
class Cell:
    """One scenario on one side: the samples of all rounds, or why there are none."""

    values: list[float] = field(default_factory=list)
    unit: str = "s"
    size: int | None = None
    failed: str = ""

    def take(self, outcome: dict[str, Any]) -> None:
        self.failed = outcome.get("failed", "")
        self.values += outcome.get("values", [])
        self.unit = outcome.get("unit", self.unit)
        self.size = outcome.get("size")

    def __str__(self) -> str:
        if not self.values:
            return "—"
        value = median(self.values)
        match self.unit:
            case "CPU":
                text = f"{value:.3%}"
            case "B":
                text = f"{value:,.0f} B"
            case _:
                text = readable(value)
        return f"{text} of {self.size:,}" if self.size else text


Column = dict[str, Cell]


def readable(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.1f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def ratio(oncue: Cell, peer: Cell) -> str:
    if not oncue.values or not peer.values:
        return ""
    times = median(peer.values) / max(median(oncue.values), 1e-9)
    return f"{times:,.0f}" if times >= 100 else f"{times:.3g}"


# --- the environments -----------------------------------------------------------------------------


def peers_python(log: TextIO) -> Path:
    """The python of the peers' environment, which is made when it is not current. It stays not
    current while something cannot be installed; what can be is used."""
    stamp = PEERS / "requirements.txt"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    python = PEERS / "bin" / "python"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print("setting up benchmarks/peers/.venv (once)", file=log)
        lines = (line.partition("#")[0].strip() for line in wanted.splitlines())
        try:
            venv.create(PEERS, clear=True, with_pip=True)
            if install(python, [line for line in lines if line], log):
                stamp.write_text(wanted, encoding="utf-8")
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"the peers have no environment: {error}", file=log)
    return python


def install(python: Path, names: list[str], log: TextIO) -> bool:
    """Install them together, so that pip makes them agree, or where that fails one by one, saying
    which cannot be."""
    pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run([*pip, *names], capture_output=True, text=True)
    if done.returncode and len(names) > 1:
        return all([install(python, [name], log) for name in names])
    if done.returncode:
        print(f"{names[0]} cannot be installed: {last_line(done.stderr)}", file=log)
    return not done.returncode


def version(python: Path, name: str) -> str | None:
    if not python.exists():
        return None
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return None if done.returncode else done.stdout.strip()


def last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "no reason given"


# --- measuring ------------------------------------------------------------------------------------


def run_side(python: Path | str, name: str) -> dict[str, dict[str, Any]] | str:
    """The outcomes of a side by scenario, or why it has none."""
    command = [str(python), "-W", "ignore", str(HERE / f"side_{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return last_line(done.stderr)
    outcomes: dict[str, dict[str, Any]] = json.loads(last_line(done.stdout))
    return outcomes


def measure(pythons: dict[str, Path | str], log: TextIO) -> dict[str, Column]:
    columns: dict[str, Column] = {name: {} for name in pythons}
    for number in range(1, ROUNDS + 1):
        for name, python in list(pythons.items()):
            print(f"round {number} of {ROUNDS}: {name}", file=log)
            outcomes = run_side(python, name)
            if isinstance(outcomes, str):
                print(f"{name} does not run: {outcomes}", file=log)
                del pythons[name]
                continue
            for scenario, outcome in outcomes.items():
                columns[name].setdefault(scenario, Cell()).take(outcome)
    return columns


def import_times(pythons: dict[str, Path | str]) -> dict[str, Cell]:
    """Seconds that `import name` adds to the start of its bare interpreter, taken in turns."""
    cells = {name: Cell() for name in pythons}
    for _ in range(IMPORT_SAMPLES):
        for name, python in pythons.items():
            bare, full = (start_seconds(python, code) for code in ("pass", f"import {name}"))
            cells[name].values.append(full - bare)
    return cells


def start_seconds(python: Path | str, code: str) -> float:
    """CPU seconds, so that a busy machine matters less, of an interpreter that runs the code."""
    before = children_seconds()
    subprocess.run([python, "-W", "ignore", "-c", code], check=True, capture_output=True)
    return children_seconds() - before


def children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# --- the table ------------------------------------------------------------------------------------


def table(columns: dict[str, Column], write: Callable[[str], object]) -> None:
    oncue = columns["oncue"]
    peers = [name for name in columns if name != "oncue"]
    header = [f"{'':38}{'oncue':>20}", *(f"{name:>20}{'ratio':>11}" for name in peers)]
    write("".join(header).rstrip())
    for scenario in dict.fromkeys(name for column in columns.values() for name in column):
        mine = oncue.get(scenario, Cell())
        theirs = [columns[name].get(scenario, Cell()) for name in peers]
        cells = (f"{cell!s:>20}{ratio(mine, cell):>11}" for cell in theirs)
        write(f"{scenario:38}{mine!s:>20}{''.join(cells)}".rstrip())
    for name, column in columns.items():
        for scenario, cell in column.items():
            if cell.failed:
                write(f"{name}, {scenario}: {cell.failed}")


def import_table(cells: dict[str, Cell], write: Callable[[str], object]) -> None:
    write(f"{'import, over a bare interpreter':38}{'CPU time':>20}{'ratio':>11}")
    for name, cell in cells.items():
        write(f"  {name:36}{cell!s:>20}{ratio(cells['oncue'], cell):>11}")


def main() -> None:
    python = peers_python(sys.stderr)
    versions = {name: version(python, name) for name in IMPORTED}
    present = {name: python for name, found in versions.items() if found}
    pythons: dict[str, Path | str] = {"oncue": sys.executable}
    pythons |= {name: python for name in SIDES if name in present}
    columns = measure(dict(pythons), sys.stderr)
    imports = import_times({"oncue": sys.executable, **present})

    known = ", ".join(f"{name} {found or 'not installed'}" for name, found in versions.items())
    print(
        f"oncue {oncue.__version__} beside {known}\n"
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores; "
        f"medians of {ROUNDS} rounds taken in turns; ratio: the peer's over oncue's\n"
    )
    table(columns, print)
    print()
    import_table(imports, print)


if __name__ == "__main__":
    main()
