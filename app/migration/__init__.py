"""Programs written for Rocketry or Red Engine, rewritten for oncue.

`project` reads the files and what they know of one another, `names` finds out what a file's names
stand for, `rewrite` turns one file into edits and notes, with `imports` for its imports and `given`
for its conditions; `conditions` says what a condition means here that it did not there, and
`tables` has what is called otherwise. Nothing is run or imported.
"""

from __future__ import annotations

from .project import Migrated, Project
from .report import Level, Note, told

__all__ = ["Level", "Migrated", "Note", "Project", "told"]
