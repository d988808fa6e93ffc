"""Sphinx builds docs/_build/html from the Markdown pages here; `make docs` runs it, offline."""

from pathlib import Path
from tomllib import loads

PROJECT = loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))

project = "oncue"
author = copyright = "the oncue authors"
version = release = PROJECT["project"]["version"]

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"oncue {release}"
html_copy_source = False
