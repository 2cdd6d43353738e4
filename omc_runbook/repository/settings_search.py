"""Where the application's Settings are: the classes of a checkout that derive from BaseSettings, found as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from omc_runbook.repository.readers import code_files, read_text

MAIN_CLASS = "Settings"
"""The usual name of the class that the application instantiates."""

_CLASS = re.compile(r"^class[ \t]+(\w+)[ \t]*\(([^)]*)\)[ \t]*:(.*?)(?=^[^\s#]|\Z)", re.MULTILINE | re.DOTALL)
_RENAMED = re.compile(r"\b(\w+)[ \t]+as[ \t]+(\w+)")
_ROOT = "BaseSettings"


@dataclass(frozen=True)
class SettingsClass:
    """A class by its file's path within the checkout, and its name."""

    file: str
    name: str
    bases: tuple[str, ...] = ()
    body: str = ""

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
    new_names = {old: new for text in texts.values() for old, new in _RENAMED.findall(text)}
    classes = [*_derived(texts, new_names)]
    used = {base for each in classes for base in each.bases}
    tops = [each for each in classes if {each.name, new_names.get(each.name)}.isdisjoint(used)]
    outer = [each for each in tops if not any(_mentions(other.body, each.name) for other in tops if other != each)]
    main = [each for each in outer if MAIN_CLASS in (each.name, new_names.get(each.name))]
    instantiated = [each for each in outer if any(f"{each.name}()" in text for text in texts.values())]
    return tuple(main or instantiated or outer)


def _derived(texts: Mapping[str, str], new_names: Mapping[str, str]) -> Iterator[SettingsClass]:
    """Yield the classes that derive from BaseSettings."""
    classes = [
        SettingsClass(file, name, tuple(re.findall(r"(\w+)(?:\[[^]]*\])?[ \t\n]*(?:,|$)", bases)), body)
        for file, text in texts.items()
        for name, bases, body in _CLASS.findall(text)
    ]
    known = {_ROOT}
    while True:
        names = {each.name for each in classes if known.intersection(each.bases)} | known
        names |= {new for old, new in new_names.items() if old in names}
        if names == known:
            break
        known = names
    yield from (each for each in classes if known.intersection(each.bases))


def _mentions(body: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", body) is not None
