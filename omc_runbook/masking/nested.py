"""The masking of data made of mappings and lists, as messages and notebooks are."""

import re
from collections.abc import Callable
from typing import Any

from omc_runbook.masking import registry

# Field names and media types: a reader is lost when it does not find them as they are.
_FORM = re.compile(r"[a-z_/.+-]*")


def mask_nested(item: Any, mask: Callable[[str], str] = registry.mask) -> Any:
    """Return a copy of ``item`` with all text and bytes in it masked; the original is left alone.

    Keys are masked as well, but for those of small letters only; a text given as a list of its lines is
    masked as one. What is neither text, bytes, mapping, list nor tuple is returned as it is.
    """
    if isinstance(item, str):
        return mask(item)
    if isinstance(item, bytes | bytearray | memoryview):
        text = bytes(item).decode("utf-8", "surrogateescape")
        shown = mask(text)
        return item if shown == text else shown.encode("utf-8", "surrogateescape")
    if isinstance(item, dict):
        return {key if is_form(key) else mask(key): mask_nested(value, mask) for key, value in item.items()}
    if isinstance(item, list | tuple):
        if _is_text(item) and (shown := mask("".join(item))) != "".join(item):
            return shown.splitlines(keepends=True)
        return [mask_nested(member, mask) for member in item]
    return item


def is_form(key: object) -> bool:
    """Whether a key is of the form of a field name or media type, so that it is left as it is."""
    return not isinstance(key, str) or _FORM.fullmatch(key) is not None


def _is_text(item: list[Any] | tuple[Any, ...]) -> bool:
    """Whether a list is one text in lines, as notebooks are written."""
    return all(isinstance(member, str) for member in item) and all(line.endswith("\n") for line in item[:-1])
