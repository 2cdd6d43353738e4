"""What stands within a text for a value that the files do not show: a resource's attribute, or a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_OPEN, _BETWEEN, _CLOSE = "\ue000", "\ue001", "\ue002"
_MARK = re.compile(f"{_OPEN}([^{_BETWEEN}]*){_BETWEEN}([^{_CLOSE}]*){_CLOSE}")
_MODULE_CALL = re.compile(r"(^|\.)module\.[\w-]+(\[[^\]]*\])?\Z")

IN = "#"
"""What an address has between its folder and the resource: states of several folders may have resources of one name."""


def unknown(reason: str) -> str:
    """The mark for a value that cannot be followed, with the reason as a clause."""
    return f"{_OPEN}?{_BETWEEN}{_MARK.sub('…', reason)}{_CLOSE}"


def failed(reason: str) -> str:
    """The same for a value that Terraform cannot compute either, so that try() takes its next argument."""
    return unknown(reason).replace(f"{_OPEN}?", f"{_OPEN}?!", 1)


def computed(address: str, attribute: str) -> str:
    """The mark for an attribute of a resource that is known only after an apply."""
    return f"{_OPEN}{address}{_BETWEEN}{attribute}{_CLOSE}"


def is_known(value: Any) -> bool:
    """Whether a value has no mark in it."""
    if isinstance(value, str):
        return _OPEN not in value
    if isinstance(value, Mapping):
        return all(map(is_known, value.values()))
    return not isinstance(value, list) or all(map(is_known, value))


def known_text(value: Any) -> str:
    """The value where it is a text without a mark; "" for any other."""
    return value if isinstance(value, str) and is_known(value) else ""


def marks(value: Any) -> tuple[tuple[str, str], ...]:
    """The resources and attributes that a text is made from: pairs of address and attribute."""
    return tuple(pair for pair in _MARK.findall(value) if not pair[0].startswith("?")) if isinstance(value, str) else ()


def reasons(value: Any) -> tuple[str, ...]:
    """Why parts of a value cannot be followed, as clauses."""
    if isinstance(value, Mapping | list):
        inner = value.values() if isinstance(value, Mapping) else value
        return tuple(dict.fromkeys(reason for each in inner for reason in reasons(each)))
    pairs = _MARK.findall(value) if isinstance(value, str) else ()
    clauses = (text if address.startswith("?") else _clause(without_folder(address), text) for address, text in pairs)
    return tuple(dict.fromkeys(clauses))


def without_marks(text: str, filler: str = "*") -> str:
    """A text with a filler in place of each mark."""
    return _MARK.sub(filler, text)


def last_part(text: str, separator: str = "/") -> str:
    """What follows the last separator of an ARN or a path; "" where it has a part that is not known."""
    # A mark may have any letter in it.
    last = without_marks(text, "\0").rpartition(separator)[2]
    return "" if "\0" in last else last


def because(value: Any) -> str:
    """Why a value is not known, as what follows a clause; "" for one that is."""
    found = reasons(value)
    return f": {found[0]}" if found else ""


def split_mark(text: str) -> tuple[str, str]:
    """The mark that a text begins with, and the rest; ("", text) for another text."""
    match = _MARK.match(text)
    return (match[0], text[match.end() :]) if match else ("", text)


def is_mark(value: Any) -> bool:
    """Whether a value is one mark and no more, so that it may stand for a list or an object."""
    return isinstance(value, str) and _MARK.fullmatch(value) is not None


def is_failure(value: Any) -> bool:
    """Whether a value is a text with the mark of an expression that failed, and not only of unknown ones."""
    return isinstance(value, str) and f"{_OPEN}?!" in value


def decode(value: Any) -> Any:
    """A list or object that is JSON's text, or the value itself; a text with marks keeps them."""
    if not isinstance(value, str):
        return value

    def quote(mark: re.Match[str]) -> str:
        text = json.dumps(mark[0], ensure_ascii=False)
        # One outside quotes stands where a number is expected.
        is_whole = value[: mark.start()].rstrip()[-1:] in tuple(":[,") and value[mark.end() :].lstrip()[:1] in tuple(
            ",]}"
        )
        return text if is_whole else text[1:-1]

    try:
        return json.loads(_MARK.sub(quote, value))
    except ValueError:
        return value


def _clause(address: str, attribute: str) -> str:
    """Why an attribute is not known."""
    if _MODULE_CALL.search(address):
        return f"{address}.{attribute} comes from a module whose files are not in the checkout"
    return f"{address}.{attribute} is known after an apply"


def without_folder(address: str) -> str:
    """The part of an address within its folder."""
    return address.rpartition(IN)[2]
