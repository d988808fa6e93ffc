"""The files of a program: each is read, all are asked for what they define, then each is rewritten.

A file is written atomically, and only where something changes. One that does not parse is told of
and left as it is.
"""

from __future__ import annotations

import ast
import difflib
import io
import os
import re
import shutil
import tempfile
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...grammar.phrases import PhraseError, Phrases
from .names import FILE, Kind, Names
from .report import Level, Note
from .rewrite import Rewriter
from .source import Source

ROUNDS = 3  # how far what a file defines is followed through the imports of others
BOM = "\ufeff"
PLACE = "\n"  # between the parts of a file's place, where it stands for a module
NO_END = "\n\\ No newline at end of file\n"


@dataclass
class Migrated:
    """One file: its text before and after, and what is told of it."""

    path: Path
    before: str
    after: str
    notes: list[Note] = field(default_factory=list)
    encoding: str = "utf-8"

    @property
    def changed(self) -> bool:
        return self.after != self.before

    @property
    def left(self) -> int:
        """How many places are to be changed by hand."""
        return sum(note.level is Level.BY_HAND for note in self.notes)

    def diff(self) -> str:
        """A unified diff, as `patch` takes it."""
        before, after = (text.splitlines(keepends=True) for text in (self.before, self.after))
        name = self.path.as_posix()
        lines = difflib.unified_diff(before, after, name, name)
        ended = (
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in lines
        )
        return "".join(ended)

    def write(self) -> None:
        """Put the new text in the place of the old one; at no moment is there half a file."""
        path = self.path.resolve()
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(handle, "wb") as file:
                file.write(self.after.encode(self.encoding))
            shutil.copymode(path, name)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise


class Project:
    """The Python files at some paths, folders with all that is in them."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = list(dict.fromkeys(file for path in paths for file in files_at(path)))
        self._read: dict[Path, Migrated] = {}
        self._sources: dict[Path, Source] = {}
        self._names: dict[Path, Names] = {}
        for path in self.paths:
            self._read_one(path)

    def migrate(self) -> Iterator[Migrated]:
        """Every file, in order of the paths."""
        for _ in range(ROUNDS if len(self._sources) > 1 else 1):
            self._names = {path: self._named(path) for path in self._sources}
        found = (names.peer for names in self._names.values() if names.peer is not None)
        peer = next(found, "Rocketry")
        phrases = self._phrases()
        for path in self.paths:
            if path in self._sources:
                self._rewrite(path, phrases, peer)
            yield self._read[path]

    def _read_one(self, path: Path) -> None:
        try:
            text, encoding = read(path)
            self._sources[path] = Source(text.removeprefix(BOM), str(path))
            self._read[path] = Migrated(path, text, text, encoding=encoding)
        except SyntaxError as error:
            self._left(path, error.lineno or 1, f"it is not Python: {error.msg}")
        except (OSError, ValueError, RecursionError) as error:
            self._left(path, 1, f"it cannot be read: {error}")

    def _left(self, path: Path, line: int, why: str) -> None:
        note = Note(line, Level.BY_HAND, f"{why}; the file is left as it is")
        self._read[path] = Migrated(path, "", "", [note])

    def _named(self, path: Path) -> Names:
        return Names(self._sources[path].tree, partial(self._exports, path))

    def _exports(self, importer: Path, module: str, level: int) -> dict[str, Kind]:
        """What a module of the project defines, by the name or the place it is imported by."""
        parts = tuple(module.split(PLACE if PLACE in module else ".")) if module else ()
        if level:
            parts = (*importer.resolve().parents[level - 1].parts, *parts)
        found: dict[str, Kind] = {}
        for path, names in self._names.items():
            place = place_of(path)
            if place[-len(parts) :] == parts:
                found |= names.exported
            elif place[-len(parts) - 1 : -1] == parts and names.exported:
                found[place[-1]] = FILE + PLACE.join(place)
        return found

    def _phrases(self) -> Phrases:
        """The custom conditions of all apps and groups, so that texts with them can be read."""
        phrases = Phrases()
        known: set[str] = set()
        for path, names in self._names.items():
            for node in ast.walk(names.tree):
                match node:
                    case ast.Call(ast.Attribute(value, "cond"), [syntax, *_]):
                        if names.kind(value) in ("app", "group"):
                            self._add_phrase(phrases, known, syntax, path)
        return phrases

    def _add_phrase(self, phrases: Phrases, known: set[str], syntax: ast.expr, path: Path) -> None:
        key = ast.unparse(syntax)
        if key in known:
            return
        known.add(key)
        try:
            match syntax:
                case ast.Constant(str(text)):
                    phrases.add_phrase(text)
                case ast.Call(ast.Attribute(ast.Name("re"), "compile"), [ast.Constant(str(text))]):
                    phrases.add_pattern(re.compile(text))
        except (PhraseError, re.error) as error:
            note = Note(syntax.lineno, Level.BY_HAND, f"the phrase cannot be: {error}")
            self._read[path].notes.append(note)

    def _rewrite(self, path: Path, phrases: Phrases, peer: str) -> None:
        source, names, file = self._sources[path], self._names[path], self._read[path]
        rewriter = Rewriter(source, names, phrases, names.peer or peer)
        mark = BOM if file.before.startswith(BOM) else ""
        after = mark + rewriter.rewrite()
        file.notes += rewriter.notes
        if parses(after):
            file.after = after
        else:
            why = "what would become of it is not Python, which is a mistake of oncue's"
            file.notes.append(Note(1, Level.BY_HAND, f"{why}; the file is left as it is"))


def parses(text: str) -> bool:
    try:
        ast.parse(text.removeprefix(BOM))
    except SyntaxError:
        return False
    return True


def place_of(path: Path) -> tuple[str, ...]:
    """The parts by which a file is imported."""
    parts = path.resolve().with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def files_at(path: Path) -> Iterator[Path]:
    """The file itself, or the Python files below a folder that are a program's own."""
    if not path.is_dir():
        yield path
        return
    for child in sorted(path.iterdir()):
        if child.is_dir():
            hidden = child.name.startswith(".") or child.name in ("__pycache__", "node_modules")
            if not hidden and not (child / "pyvenv.cfg").exists() and not child.is_symlink():
                yield from files_at(child)
        elif child.suffix == ".py":
            yield child


def read(path: Path) -> tuple[str, str]:
    """The text of a Python file, its line ends as they are, and its encoding."""
    data = path.read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    encoding = "utf-8" if encoding == "utf-8-sig" else encoding
    return data.decode(encoding), encoding
