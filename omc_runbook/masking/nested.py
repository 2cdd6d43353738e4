"""The masking of data made of mappings and lists, as messages and notebooks are."""

import re
from collections.abc import Callable
from typing import Any

from omc_runbook.masking import registry

# Field names and media types: a reader is lost when it does not find them as they are.
_FORM = re.compile(r"[a-z_/.+-]*")
_TEXTS = frozenset({"text", "value", "evalue", "traceback", "description", "prompt", "parameters"})


def mask_nested(item: Any, mask: Callable[[str, bool], str] = registry.mask, is_text: bool = True) -> Any:
    """Return a copy of ``item`` with all text and bytes in it masked; the original is left alone.

    Keys are masked as well, but for those of small letters only; a text given as a list of its lines is
    masked as one. What is neither text, bytes, mapping, list nor tuple is returned as it is.
    ``is_text`` says whether ``item`` is there for a person to read; where it is not, as in most fields of a message,
    values that are common words stay. A media type, a name in capitals and fields as "traceback" hold text.
    """
    if isinstance(item, str):
        return mask(item, is_text)
    if isinstance(item, bytes | bytearray | memoryview):
        text = bytes(item).decode("utf-8", "surrogateescape")
        shown = mask(text, is_text)
        return item if shown == text else shown.encode("utf-8", "surrogateescape")
    if isinstance(item, dict):
        return {
            key if is_form(key) else mask(key, False): mask_nested(value, mask, is_text or _holds_text(key))
            for key, value in item.items()
        }
    if isinstance(item, list | tuple):
        if _is_text(item) and (shown := mask("".join(item), is_text)) != "".join(item):
            return shown.splitlines(keepends=True)
        return [mask_nested(member, mask, is_text) for member in item]
    return item


def _holds_text(key: object) -> bool:
    return not is_form(key) or "/" in str(key) or key in _TEXTS


def is_form(key: object) -> bool:
    """Whether a key is of the form of a field name or media type, so that it is left as it is."""
    return not isinstance(key, str) or _FORM.fullmatch(key) is not None


def _is_text(item: list[Any] | tuple[Any, ...]) -> bool:
    """Whether a list is one text in lines, as notebooks are written."""
    return all(isinstance(member, str) for member in item) and all(line.endswith("\n") for line in item[:-1])
