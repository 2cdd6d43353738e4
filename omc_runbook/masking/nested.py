"""The masking of data made of mappings and lists, as messages and notebooks are."""

import re
from collections.abc import Callable
from typing import Any

from omc_runbook.masking import registry

# Field names and media types: a reader is lost when it does not find them as they are.
_FORM = re.compile(r"[a-z_/.+-]*")


def mask_nested(item: Any, mask: Callable[[str], str] = registry.mask) -> Any:
    """Return a copy of ``item`` with all text and bytes in it masked; the original is left alone.

    Keys are masked as well, but for those of small letters only. What is neither text, bytes, mapping, list
    nor tuple is returned as it is.
    """
    if isinstance(item, str):
        return mask(item)
    if isinstance(item, bytes | bytearray | memoryview):
        text = bytes(item).decode("utf-8", "surrogateescape")
        shown = mask(text)
        return item if shown == text else shown.encode("utf-8", "surrogateescape")
    if isinstance(item, dict):
        return {_masked_key(key, mask): mask_nested(value, mask) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return [mask_nested(member, mask) for member in item]
    return item


def _masked_key(key: Any, mask: Callable[[str], str]) -> Any:
    return mask(key) if isinstance(key, str) and not _FORM.fullmatch(key) else key
