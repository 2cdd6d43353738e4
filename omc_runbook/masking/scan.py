"""Search of a finished file for registered values, and their removal."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from omc_runbook.masking import registry
from omc_runbook.masking.nested import is_form, mask_nested
from omc_runbook.masking.spelling import SHORT
from omc_runbook.model import temporary

_JSON = frozenset({".ipynb", ".json"})


@dataclass(frozen=True)
class Leak:
    """An occurrence in ``path`` of some of the value called ``name``: how many characters of it."""

    path: Path
    name: str
    characters: int


def leaks(path: Path) -> tuple[Leak, ...]:
    """Find what ``path`` shows of registered values: whole in any spelling, or 8 distinctive characters in a row.

    A JSON file or notebook is searched in its decoded strings and in its raw text. Common words are no leaks. Raises
    OSError when it cannot be read.
    """
    text = _read(path)
    content = _parse(path, text)
    decoded = text
    if content is not None:
        decoded = "\n".join(text for _, text in sorted(_texts(content), key=itemgetter(0)))
    index = registry.current()
    spans = index.find(decoded, common=False)
    for each in {decoded, text}:
        spans += index.find_scattered(each)
    unique = {Leak(path, span.name, span.end - span.start) for span in spans}
    return tuple(sorted(unique, key=lambda leak: (leak.name, -leak.characters)))


def scrub(path: Path) -> None:
    """Mask ``path`` and replace it atomically, readable only by its owner (mode 600).

    A JSON file stays valid. A value spread over several of its strings stays, and `leaks` still finds it. Raises
    OSError when the file cannot be read or its folder cannot be written to.
    """
    text = _read(path)
    content = _parse(path, text)
    if content is None:
        data = registry.mask_thoroughly(text, common=False).encode("utf-8", "surrogateescape")
    else:
        masked = json.dumps(mask_nested(content, _mask), ensure_ascii=False, indent=1)
        data = f"{masked}\n".encode("utf-8", "backslashreplace")
    descriptor, draft = temporary.draft(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _parse(path: Path, text: str) -> Any:
    """Parse a JSON file, with long numbers that are values as text; None for any other file."""
    if path.suffix not in _JSON:
        return None
    try:
        return json.loads(text, parse_int=_number)
    except ValueError:
        return None


def _mask(text: str, is_text: bool) -> str:
    return registry.mask_thoroughly(text, common=False)


def _number(digits: str) -> int | str:
    return int(digits) if len(digits) < SHORT or registry.mask(digits, common=False) == digits else digits


def _texts(item: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text with its field's name: texts of one field may be parts of one output."""
    if isinstance(item, str):
        yield field, item
    elif isinstance(item, dict):
        for key, value in item.items():
            if not is_form(key):
                yield "", key
            yield from _texts(value, key)
    elif isinstance(item, list):
        for member in item:
            yield from _texts(member, field)
