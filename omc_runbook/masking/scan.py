"""The search of a finished file for registered values, and their removal."""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omc_runbook.masking import registry
from omc_runbook.masking.nested import mask_nested

# What can come between the characters of a value that was put out bit by bit, or wrapped.
_BETWEEN = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\s+")
_JSON = frozenset({".ipynb", ".json"})


@dataclass(frozen=True)
class Leak:
    """A place in ``path`` that shows some of the value called ``name``: how many characters of it."""

    path: Path
    name: str
    characters: int


def leaks(path: Path) -> tuple[Leak, ...]:
    """Find what ``path`` shows of registered values: whole in any spelling, or in runs of 8 characters or more.

    A JSON file or notebook is searched as it is written and as it reads. Raises OSError when it cannot be read.
    """
    written = _read(path)
    texts = [written]
    if path.suffix in _JSON and (content := _parse(written)) is not None:
        texts += ["\n".join(_texts(content))]
    index = registry.current()
    found = {
        Leak(path, span.name, span.end - span.start) for text in texts for span in index.find(text, _BETWEEN)
    }
    return tuple(sorted(found, key=lambda leak: (leak.name, -leak.characters)))


def scrub(path: Path) -> None:
    """Mask what `leaks` finds and write the file anew, in one step, readable by its owner only (mode 600).

    A JSON file stays one. Raises OSError when the file cannot be read or its folder not be written to.
    """
    written = _read(path)
    content = _parse(written) if path.suffix in _JSON else None
    if content is not None:
        written = json.dumps(mask_nested(content, _mask), ensure_ascii=False, indent=1) + "\n"
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(_mask(written))
        os.replace(name, path)
    except OSError:
        Path(name).unlink()
        raise


def _mask(text: str) -> str:
    return registry.mask(text, _BETWEEN)


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _texts(item: Any) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    elif isinstance(item, dict):
        for key, value in item.items():
            yield key
            yield from _texts(value)
    elif isinstance(item, list):
        for member in item:
            yield from _texts(member)
