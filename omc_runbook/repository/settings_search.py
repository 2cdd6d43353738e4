"""Where the application's Settings are: the classes of a checkout that derive from BaseSettings, found as text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from omc_runbook.repository.readers import code_files, read_text

MAIN_CLASS = "Settings"
"""The usual name of the class that the application instantiates."""

_CLASS = re.compile(r"^class[ \t]+(\w+)[ \t]*\(([^)]*)\)[ \t]*:(.*?)(?=^[^\s#]|\Z)", re.MULTILINE | re.DOTALL)
_RENAMED = re.compile(r"\b(\w+)[ \t]+as[ \t]+(\w+)")
_WORD = re.compile(r"\w+")
_ROOT = "BaseSettings"


@dataclass(frozen=True)
class SettingsClass:
    """A class by its file's path within the checkout, and its name."""

    file: str
    name: str
    bases: frozenset[str]
    uses: frozenset[str]
    """Its bases, and all names in its body."""

    @property
    def label(self) -> str:
        """Both, for a message."""
        return f"class {self.name} in {self.file}"


def find_settings_classes(repository: Path) -> tuple[SettingsClass, ...]:
    """The classes that may be the application's Settings: one if that is certain, several, or none.

    Of all classes that derive from BaseSettings, through others too, one that another derives from or has a field of is
    none. One of the name Settings comes before others, then one that some file instantiates.
    """
    texts = {file.relative_to(repository).as_posix(): read_text(file) for file in code_files(repository)}
    renamed = [pair for text in texts.values() for pair in _RENAMED.findall(text)]
    classes = [*_derived(texts, renamed)]
    names = {each: _all_names({each.name}, renamed) for each in classes}

    def is_used(each: SettingsClass, others: list[SettingsClass]) -> bool:
        return any(names[each].intersection(other.uses) for other in others if other != each)

    outer = [each for each in classes if not is_used(each, classes)]
    main = [each for each in outer if MAIN_CLASS in names[each]]
    instantiated = [each for each in outer if any(f"{each.name}()" in text for text in texts.values())]
    return tuple(main or instantiated or outer)


def _derived(texts: Mapping[str, str], renamed: Collection[tuple[str, str]]) -> Iterator[SettingsClass]:
    """Yield the classes that derive from BaseSettings."""
    classes = [
        SettingsClass(file, name, parents := frozenset(_WORD.findall(bases)), parents.union(_WORD.findall(body)))
        for file, text in texts.items()
        for name, bases, body in _CLASS.findall(text)
    ]
    known = {_ROOT}
    while (names := _all_names(known | {each.name for each in classes if known & each.bases}, renamed)) != known:
        known = names
    yield from (each for each in classes if known & each.bases)


def _all_names(names: set[str], renamed: Collection[tuple[str, str]]) -> set[str]:
    """Some names, and those that imports give them, one after another."""
    while new := {new for old, new in renamed if old in names} - names:
        names = names | new
    return names
