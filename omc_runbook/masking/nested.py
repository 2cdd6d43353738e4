"""Masking of nested data, such as messages and notebooks."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from omc_runbook.masking import registry

# Field names and media types, which readers need unchanged.
_FORM = re.compile(r"[a-z_/.+-]*")
_TEXTS = frozenset({"text", "value", "evalue", "traceback", "description", "prompt", "parameters"})


def mask_nested(item: Any, mask: Callable[[str, bool], str] = registry.mask, is_text: bool = True) -> Any:
    """Return a copy of ``item`` with all its text and bytes masked.

    Keys are masked too, except those in small letters that are no value as a whole, or no text; a text as a list of its
    lines is masked as one text. A number that is a value becomes its label. Anything else is returned unchanged.
    ``is_text`` says whether ``item`` is text for a person; elsewhere, as in most fields of a message, values that are
    common words stay. Media types, names in capitals and fields such as "traceback" contain text.
    """
    if isinstance(item, str):
        return mask(item, is_text)
    if isinstance(item, bytes | bytearray | memoryview):
        text = bytes(item).decode("utf-8", "surrogateescape")
        masked = mask(text, is_text)
        return item if masked == text else masked.encode("utf-8", "surrogateescape")
    if isinstance(item, dict):
        return {
            _mask_key(key, mask, is_text): mask_nested(value, mask, is_text or _holds_text(key))
            for key, value in item.items()
        }
    if isinstance(item, list | tuple):
        if _is_text(item) and (masked := mask("".join(item), is_text)) != "".join(item):
            return masked.splitlines(keepends=True)
        return [mask_nested(member, mask, is_text) for member in item]
    if isinstance(item, int | float):
        # A look for each, since a plot has very many.
        name = registry.current().name_of(str(item).removesuffix(".0"))
        return registry.label(name) if name else item
    return item


def mask_members(
    item: Mapping[str, Any], keep: Collection[str], mask: Callable[[str, bool], str] = registry.mask
) -> dict[str, Any]:
    """The members of a message or a cell, masked, without those in `keep`, which are words of its format."""
    members = {key: value for key, value in item.items() if key not in keep}
    masked: dict[str, Any] = mask_nested(members, mask, is_text=False)
    return masked


def _mask_key(key: Any, mask: Callable[[str, bool], str], is_text: bool) -> Any:
    if not is_form(key):
        return mask(key, False)
    # A passphrase may consist of small letters, too; in a message or a widget's state they are a field's.
    name = registry.current().name_of(str(key)) if is_text else ""
    return registry.label(name) if name else key


def _holds_text(key: object) -> bool:
    return not is_form(key) or "/" in str(key) or key in _TEXTS


def is_form(key: object) -> bool:
    """Whether a key looks like a field name or media type, so that it stays unchanged."""
    return not isinstance(key, str) or _FORM.fullmatch(key) is not None


def _is_text(item: list[Any] | tuple[Any, ...]) -> bool:
    """Whether a list is one text split into lines, as in notebook files."""
    return all(isinstance(member, str) for member in item) and all(line.endswith("\n") for line in item[:-1])
