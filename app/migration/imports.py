"""Imports, and the names that stand for what was imported, under the names there are now.

A statement whose names all go to one module is edited where it stands. One whose names part is
written anew, one statement for each module; names without a counterpart stay behind, in a
statement of the old kind, so that they cannot be overlooked.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable, Iterator

from .names import Names, divided, is_module, joined
from .report import Level
from .source import LINE_END, Source
from .tables import BY_HAND, MODULES, PEERS, SAME, counterpart

NOTHING = "oncue has nothing of the kind"
Tell = Callable[[ast.AST, Level, str], None]
Target = tuple[str, str]  # a module below oncue, and a name in it


class Imports:
    """The imports of one file."""

    def __init__(self, source: Source, names: Names, tell: Tell) -> None:
        self.source = source
        self.names = names
        self.tell = tell
        self.renamed = self._renamed()
        self.needed: set[str] = set()  # submodules that are used as attributes of the package
        self.left = False  # whether the peer's package itself is still used
        self.used = False  # whether ours is, in its place

    def rewrite(self) -> None:
        nodes = list(ast.walk(self.source.tree))
        for node in nodes:
            if isinstance(node, ast.Name):
                self._use(node)
        for node in nodes:
            match node:
                case ast.ImportFrom(module, level=0) if (module or "").split(".")[0] in PEERS:
                    self._from(node)
                case ast.Import():
                    self._import(node)

    # --- uses -----------------------------------------------------------------------------

    def _renamed(self) -> dict[str, str]:
        """Local names that are to change: those that were imported under their own name, have
        another now, and can have it here."""
        found = {}
        for local, origin in self.names.imported.items():
            target = self._target(origin)
            if target is None or target[1] in ("", local) or origin.rpartition(".")[2] != local:
                continue
            if local not in self.names.bound and target[1] not in self.names.bound:
                found[local] = target[1]
        return found

    def _target(self, origin: str) -> Target | None:
        """What takes the place of something of the peer's."""
        if is_module(origin):
            home = MODULES.get(origin)
            return None if home is None else ("", home)
        return counterpart(*divided(origin))

    def _use(self, node: ast.Name) -> None:
        origin = self.names.imported.get(node.id)
        if origin is None or not isinstance(node.ctx, ast.Load):
            return
        if is_module(origin):
            self._use_of_module(node, origin)
        elif self._target(origin) is None:
            self._by_hand(node, origin)
        elif node.id in self.renamed:
            self.source.replace_node(node, self.renamed[node.id], node.id)

    def _use_of_module(self, root: ast.Name, origin: str) -> None:
        """`rocketry.conds.daily`, from its first name to the first that is no module."""
        here: ast.expr = root
        module, name = origin, ""
        while isinstance(parent := self.source.parents.get(here), ast.Attribute):
            here = parent
            if not is_module(joined(module, parent.attr)):
                name = parent.attr
                break
            module = joined(module, parent.attr)
        target = self._target(joined(module, name)) if name else (MODULES.get(module, ""), "")
        base = MODULES.get(origin) or ""
        if target is None or (base and target[0] != base) or module not in MODULES:
            self.left = self.left or root.id in PEERS
            self._by_hand(root, joined(module, name))
            return
        self.used = True
        home = "" if base else target[0]
        if home:
            self.needed.add(home)
        new_root = "oncue" if root.id in PEERS else root.id
        text = ".".join(filter(None, (new_root, home, target[1])))
        self.source.replace_node(here, text, ast.unparse(here))

    def _by_hand(self, node: ast.AST, origin: str) -> None:
        name = origin.rpartition(".")[2]
        self.tell(node, Level.BY_HAND, f"{name}: {BY_HAND.get(name, NOTHING)}")

    # --- statements -----------------------------------------------------------------------

    def _from(self, node: ast.ImportFrom) -> None:
        module = (node.module or "").partition(".")[2]
        targets = [self._target_of(module, alias) for alias in node.names]
        for alias, target in zip(node.names, targets, strict=True):
            if target is None:
                self._by_hand(alias, joined(module, alias.name))
        homes = {target[0] if target else None for target in targets}
        if homes == {None}:
            return
        if None in homes or len(homes) > 1:
            self._part(node, targets)
            return
        self._in_place(node, [target for target in targets if target is not None])

    def _target_of(self, module: str, alias: ast.alias) -> Target | None:
        if alias.name != "*":
            found = self._target(joined(module, alias.name))
            return None if found is None or not found[1] else found
        home = MODULES.get(module)
        return (home, "*") if home in SAME else None

    def _in_place(self, node: ast.ImportFrom, targets: list[Target]) -> None:
        start = self.source.start(node)
        at = self.source.text.find(node.module or "", start + len("from"))
        end = at + len(node.module or "")
        self.source.replace(at, end, package(targets[0][0]), node.module)
        for alias, (_, name) in zip(node.names, targets, strict=True):
            written = self._as(alias, name)
            self.source.replace(self.source.start(alias), self.source.end(alias), written)

    def _as(self, alias: ast.alias, name: str) -> str:
        """What an alias is now; untouched where nothing changes."""
        if name == alias.name:
            return self.source.of(alias)
        local = alias.asname or alias.name
        return name if local in (name, "*") or local in self.renamed else f"{name} as {local}"

    def _part(self, node: ast.ImportFrom, targets: list[Target | None]) -> None:
        """One statement for each module, comments before them."""
        groups: dict[str, list[str]] = {}
        for alias, target in zip(node.names, targets, strict=True):
            if target is None:
                groups.setdefault(node.module or "", []).append(self.source.of(alias))
            else:
                groups.setdefault(package(target[0]), []).append(self._as(alias, target[1]))
        lines = [*comments(self.source.of(node))]
        lines += [f"from {module} import {', '.join(given)}" for module, given in groups.items()]
        text = self._between(node).join(lines)
        self.source.replace(self.source.start(node), self.source.end(node), text)

    def _between(self, node: ast.stmt) -> str:
        """What stands between statements in the place of one: a new line with its indent, or a
        semicolon where it does not begin its line."""
        indent = self.source.indent(node)
        if indent.strip():
            return "; "
        found = LINE_END.search(self.source.text)
        return (found[0] if found else "\n") + indent

    def _import(self, node: ast.Import) -> None:
        added: list[str] = []
        for alias in node.names:
            top, _, module = alias.name.partition(".")
            if top not in PEERS:
                continue
            home = MODULES.get(module)
            if home is None or (self.left and not alias.asname):
                if home is None:
                    self._by_hand(alias, module)
                elif self.used:
                    added.append(package(home))
                continue
            start = self.source.start(alias)
            self.source.replace(start, start + len(alias.name), package(home), alias.name)
            if module == "":
                added += sorted(package(name) for name in self.needed - self._imported())
        if added:
            text = "".join(f"{self._between(node)}import {name}" for name in dict.fromkeys(added))
            end = self.source.end(node)
            self.source.replace(end, end, text)
            self.needed.clear()

    def _imported(self) -> set[str]:
        """The submodules that have an import of their own."""
        found = (
            MODULES.get(alias.name.partition(".")[2], "")
            for node in ast.walk(self.source.tree)
            if isinstance(node, ast.Import)
            for alias in node.names
            if alias.name.partition(".")[0] in PEERS and not alias.asname
        )
        return {name for name in found if name}


def package(home: str) -> str:
    return f"oncue.{home}" if home else "oncue"


def comments(text: str) -> Iterator[str]:
    """The comments within a statement."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
