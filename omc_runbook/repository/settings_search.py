"""Where the application's Settings are: the classes of a checkout that derive from BaseSettings."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.python_syntax import last_name, parse_python
from omc_runbook.textfile.conflict import find_conflict

MAIN_CLASS = "Settings"
"""The usual name of the class that the application instantiates."""

_ROOT = "BaseSettings"
_LIKE_ROOT = "Settings"
"""The end of the name of a class that settings derive from, where it is in another package."""

LIKE_SETTINGS = re.compile(rf"^class\b[^:]*{_LIKE_ROOT}\b|\b{_ROOT}\b", re.MULTILINE)
"""What a file with a class of settings has."""
LIKE_READS = re.compile(r"\b(?:environs?|environb|getenvb?|decouple|starlette\.config|dynaconf)\b")
"""What a file has that asks the environment, or a library, for variables."""


@dataclass(frozen=True)
class SettingsClass:
    """A class by its file's path within the checkout, and its name."""

    file: str
    name: str
    bases: frozenset[str]
    """By the names that its file has for them, and their own."""
    uses: frozenset[str]
    """Its bases, and all names in its body."""

    @property
    def label(self) -> str:
        """Both, for a message."""
        return f"class {self.name} in {self.file}"

    @property
    def folder(self) -> PurePosixPath:
        """The folder of its file."""
        return PurePosixPath(self.file).parent


@dataclass(frozen=True)
class _Classes:
    """The classes of settings of a checkout."""

    names: dict[SettingsClass, set[str]]
    """All of them, each with the names that the code has for it."""
    outer: list[SettingsClass]
    """Those that no other class derives from or holds."""
    called: set[str]
    """The names of all that the code calls."""

    def is_instantiated(self, each: SettingsClass) -> bool:
        """Whether the code calls a class."""
        return not self.called.isdisjoint(self.names[each])


def find_settings_classes(files: CheckoutFiles) -> tuple[SettingsClass, ...]:
    """The classes that are the application's Settings, the main one first; () for none.

    It derives from BaseSettings, or where none does, from a class of another package that is called like settings, and
    no other class derives from it or holds it. Of several it has the name Settings, else it is instantiated. Where
    several remain, the base of all of them is the first, else the one nearest to the top: `is_main` says whether the
    others belong to it.
    """
    read = _read(files)
    names, outer = read.names, read.outer
    found = [each for each in outer if MAIN_CLASS in names[each]] or [*filter(read.is_instantiated, outer)] or outer
    shared = [base for base in names if len(found) > 1 and all(names[base] & each.bases for each in found)]
    ordered = sorted(found, key=lambda each: (len(each.folder.parts), found.index(each)))
    return (*shared[:1], *ordered)


def find_conflict_in_code(files: CheckoutFiles, pattern: re.Pattern[str]) -> str:
    """A sentence on a file with a pattern that git could not merge, so that it is not parsed; "" for none."""
    for path in files.code:
        conflict = find_conflict(path.relative_to(files.root).as_posix(), text := files.text(path))
        if conflict and pattern.search(text) and not parse_python(text).body:
            return conflict
    return ""


def find_settings_outside(repository: Path, folder: str) -> tuple[SettingsClass, ...]:
    """The classes of settings that are instantiated, and whose files are not in a folder of the checkout."""
    files = CheckoutFiles(repository)
    outside = (file for file in files.code if not file.is_relative_to(repository / folder))
    # To parse the code of a large checkout takes seconds.
    if not any(_LIKE_ROOT in files.text(file) for file in outside):
        return ()
    read = _read(files)
    return tuple(each for each in read.outer if read.is_instantiated(each) and not each.folder.is_relative_to(folder))


def _read(files: CheckoutFiles) -> _Classes:
    code = files.code
    if any(map(Path.is_symlink, code)):
        # A link to another of them, or to what one of them leads to, is that file once more.
        first: dict[Path, Path] = {}
        for each in sorted(code, key=Path.is_symlink):
            first.setdefault(each.resolve(), each)
        kept = {*first.values()}
        code = tuple(each for each in code if each in kept)
    trees = [(path.relative_to(files.root).as_posix(), parse_python(files.text(path))) for path in code]
    nodes = [(file, node) for file, tree in trees for node in ast.walk(tree)]
    imports = [alias for _, node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
    renamed = [(alias.name, alias.asname) for alias in imports if alias.asname]
    called = {last_name(node.func) for _, node in nodes if isinstance(node, ast.Call)}
    classes = _derived(trees, renamed, {alias.asname or alias.name for alias in imports})
    names = {each: _all_names({each.name}, renamed) for each in classes}

    def is_used(each: SettingsClass) -> bool:
        return any(names[each].intersection(other.uses) for other in classes if other != each)

    return _Classes(names, [each for each in classes if not is_used(each)], called)


def is_main(found: Collection[SettingsClass]) -> bool:
    """Whether the first of some classes is the main one: all are in its folder or below, or derive from it."""
    first, *others = found
    return all(each.folder.is_relative_to(first.folder) for each in others) or is_base(found)


def is_base(found: Collection[SettingsClass]) -> bool:
    """Whether the first of some classes is the base of the others."""
    first, *others = found
    return bool(others) and all(first.name in each.bases for each in others)


def _derived(
    trees: Sequence[tuple[str, ast.Module]], renamed: Collection[tuple[str, str]], imported: Collection[str]
) -> list[SettingsClass]:
    """The classes that derive from BaseSettings, or else from another package's class that is called like settings.

    `renamed` and `imported` have the names that imports change, and all that they give.
    """
    originals = {new: old for old, new in renamed}
    classes = [
        SettingsClass(
            file,
            node.name,
            bases := frozenset(name for each in _names(node.bases) for name in (each, originals.get(each, each))),
            bases | frozenset(_names(node.body)),
        )
        for file, tree in trees
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    ]
    elsewhere = {base for each in classes for base in each.bases if base.endswith(_LIKE_ROOT) and base in imported}
    for roots in ({_ROOT}, elsewhere - {each.name for each in classes}):
        while (names := _all_names(roots | {each.name for each in classes if roots & each.bases}, renamed)) != roots:
            roots = names
        if found := [each for each in classes if roots & each.bases]:
            return found
    return []


def _names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield all names in some expressions and statements, and the last parts of dotted ones."""
    yield from (name for node in nodes for each in ast.walk(node) if (name := last_name(each)))


def _all_names(names: set[str], renamed: Collection[tuple[str, str]]) -> set[str]:
    """Some names, and those that imports give them, one after another."""
    while new := {new for old, new in renamed if old in names} - names:
        names = names | new
    return names
