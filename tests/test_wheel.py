"""What is shipped: the packages that pyproject.toml lists are the folders; the wheel holds all.

The wheel is built for real, without a network, from a copy of the source under another name (a
checkout may be called anything); installed once as a wheel and once as an editable install; and
used from there, in spawned processes too.
"""

import ast
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOT_MODULES = {"__init__", "args", "exc", "log", "tasks"}
NOT_SHIPPED = {"benchmarks", "docs", "examples", "tests"}
NOT_SOURCE = (".*", "__pycache__", "build", "dist", "*.egg-info", "*.db*")

with (ROOT / "pyproject.toml").open("rb") as file:
    PROJECT: dict[str, Any] = tomllib.load(file)


def folders() -> set[str]:
    """Every folder of the package, at any depth, as a path below the root."""
    skip = shutil.ignore_patterns(*NOT_SOURCE)
    names = [path.name for path in ROOT.iterdir() if path.is_dir()]
    tops = set(names) - skip(str(ROOT), names) - NOT_SHIPPED
    below = (path.parent for top in tops for path in (ROOT / top).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix() for path in below}


def shipped() -> set[str]:
    """Every file that belongs in the wheel, as a path below the root."""
    inside = (path for top in folders() for path in (ROOT / top).glob("*.*"))
    files = (*inside, *ROOT.glob("*.py"), ROOT / "py.typed")
    return {path.relative_to(ROOT).as_posix() for path in files}


def modules() -> list[str]:
    names = (path.removesuffix(".py") for path in shipped() if path.endswith(".py"))
    return sorted(f"oncue/{name}".removesuffix("/__init__").replace("/", ".") for name in names)


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def pip(python: str | Path, *words: str | Path, cwd: Path) -> None:
    """pip as it runs on a machine without a network, for the environment of that python."""
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "-q")
    run(*pip, *words, "--no-index", "--no-deps", cwd=cwd)


# --- the lists ------------------------------------------------------------------------------------


def test_the_packages_listed_are_the_folders() -> None:
    found = {"oncue." + folder.replace("/", ".") for folder in folders()}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found | {"oncue"}


def test_every_folder_is_a_package() -> None:
    assert [folder for folder in folders() if not (ROOT / folder / "__init__.py").exists()] == []


def test_no_stray_module_lies_at_the_root() -> None:
    assert {path.stem for path in ROOT.glob("*.py")} - ROOT_MODULES == set()


def test_every_name_of_the_root_is_banned_as_a_top_level_import() -> None:
    banned = PROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    tops = {folder.partition("/")[0] for folder in folders()}
    assert set(banned) == tops | ROOT_MODULES - {"__init__"}


# --- the wheel ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source under a name that is no package's, without anything built."""
    copy = tmp_path_factory.mktemp("wheel") / "not the-name"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path) -> Path:
    target = checkout.parent / "wheels"
    pip(sys.executable, "wheel", "--no-build-isolation", "-w", target, checkout, cwd=checkout)
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A folder with the installed wheel and nothing else."""
    target = wheel.parent.parent / "installed"
    pip(sys.executable, "install", "--target", target, wheel, cwd=wheel.parent)
    return target


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {f"oncue/{path}" for path in shipped()}
    assert {"oncue/py.typed", "oncue/grammar/condition.lark"} <= names


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (info,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    metadata = archive.read(f"{info}/METADATA").decode()
    assert f"Version: {face_version()}" in metadata
    assert "License-Expression: MIT" in metadata
    assert "oncue = oncue.app.cli:main" in archive.read(f"{info}/entry_points.txt").decode()
    assert f"{info}/licenses/LICENSE" in archive.namelist()


def face_version() -> str:
    """The version that the face gives itself, read without importing it."""
    for node in ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id="__version__")], value=ast.Constant(value=str(version))
            ):
                return version
    raise AssertionError("the face has no __version__")


def test_the_installed_wheel_parses_a_condition(installed: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import oncue; print(oncue.__file__);"
        "print(oncue.parse('run daily after 10'))"
    )
    file, condition = run(sys.executable, "-c", code, installed, cwd=tmp_path).splitlines()
    assert Path(file) == installed / "oncue" / "__init__.py"
    assert condition == "daily after 10:00"


def test_the_wheel_of_the_source_distribution_is_the_same(
    checkout: Path, wheel: Path, tmp_path: Path
) -> None:
    code = "from setuptools import build_meta; import sys; build_meta.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", code, tmp_path, cwd=checkout)
    (sdist,) = tmp_path.glob("*.tar.gz")
    pip(sys.executable, "wheel", "--no-build-isolation", "-w", tmp_path, sdist, cwd=tmp_path)
    (again,) = tmp_path.glob("*.whl")
    assert content(again) == content(wheel)


def content(wheel: Path) -> dict[str, int]:
    """The names in a wheel with the checksums of what they hold; RECORD only repeats them."""
    files = zipfile.ZipFile(wheel).infolist()
    return {info.filename: info.CRC for info in files if not info.filename.endswith("/RECORD")}


# --- the editable install -------------------------------------------------------------------------

IMPORT_ALL = """
import importlib, multiprocessing, sys

def load(names):
    for name in names:
        importlib.import_module(name)
    print(sys.modules["oncue"].__file__, flush=True)

if __name__ == "__main__":
    for method in multiprocessing.get_all_start_methods():
        if method != "fork":
            process = multiprocessing.get_context(method).Process(target=load, args=(sys.argv[1:],))
            process.start()
            process.join()
            assert process.exitcode == 0, method
"""


@pytest.fixture(scope="module")
def editable(checkout: Path) -> Path:
    """The python of a fresh environment in which the checkout is installed as editable.

    Our own libraries are on its path, so nothing is fetched; our own install of oncue is not:
    a .pth file adds a folder without reading the .pth files in it.
    """
    home = checkout.parent / "environment"
    venv.create(home, symlinks=True, with_pip=False)
    python = home / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "libraries.pth").write_text("\n".join(libraries) + "\n", encoding="utf-8")
    pip(python, "install", "--no-build-isolation", "-e", checkout, cwd=checkout)
    return python


def test_an_editable_install_sees_new_files(editable: Path, checkout: Path, tmp_path: Path) -> None:
    new = checkout / "conds" / "new_file.py"
    new.write_text("said = 'here'\n", encoding="utf-8")
    code = "import oncue.conds.new_file as new; print(new.said, new.__file__)"
    try:
        assert run(editable, "-c", code, cwd=tmp_path) == f"here {new}\n"
    finally:
        new.unlink()


def test_a_spawned_process_imports_every_module_of_an_editable_install(
    editable: Path, checkout: Path, tmp_path: Path
) -> None:
    script = tmp_path / "import_all.py"
    script.write_text(IMPORT_ALL, encoding="utf-8")
    printed = run(editable, script, *modules(), cwd=tmp_path).splitlines()
    assert printed and set(printed) == {str(checkout / "__init__.py")}


def test_the_command_of_an_editable_install_answers(editable: Path, tmp_path: Path) -> None:
    assert "check" in run(editable.parent / "oncue", "--help", cwd=tmp_path)
