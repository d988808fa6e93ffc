"""Sphinx builds docs/_build/html from the Markdown pages here; `make docs` runs it, offline."""

import sys
from pathlib import Path
from tomllib import loads

HERE = Path(__file__).parent
PROJECT = loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
sys.path.insert(0, str(HERE))  # for drawn.py

project = "oncue"
author = copyright = "the oncue authors"
version = release = PROJECT["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "drawn"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types in signatures; links between pages are checked

suppress_warnings = ["ref.python"]  # Session, Task and Config are also what a task may ask for

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
default_role = "code"  # docstrings have names in single backquotes

html_theme = "furo"
html_title = f"oncue {release}"
html_copy_source = False
