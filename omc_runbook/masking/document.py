"""A secret's JSON document: its keys, each with the text that ECS injects for it."""

import base64
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from json.decoder import WHITESPACE, scanstring  # type: ignore[attr-defined]
from typing import Any, Literal, Never, cast

from omc_runbook.masking import misplaced, registry
from omc_runbook.masking.common import is_common
from omc_runbook.masking.parts import decode
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.errors import RunbookError

Problem = Literal["not-json", "single-quoted", "bom", "truncated", "not-an-object", "number-range", "too-deep"]
Kind = Literal["string", "number", "boolean", "null", "object", "array"]
Action = Literal["added", "changed", "removed", "unchanged"]

_SENTENCES: dict[Problem, str] = {
    "not-json": "is not JSON: put valid JSON",
    "single-quoted": "has single quotes where JSON takes double quotes: put valid JSON",
    "bom": "has a byte order mark before its JSON: put the JSON without it",
    "truncated": "is empty or ends in the middle of its JSON: put the whole JSON",
    "not-an-object": "is JSON but not an object: put an object with a member for each key",
    "number-range": "has a number beyond a 64-bit float: put it as a string",
    "too-deep": "nests its JSON too deeply: put an object of strings",
}
# What Go prints for values that reveal nothing, and what the guide's command leaves where a tool does not read the
# file; masking these words would garble every report.
_PUBLIC = frozenset({"true", "false", "<nil>", "map[]", "file://secrets.json"})
# The end of a text that is cut inside a literal, a number or a \u escape.
_CUT_TOKEN = re.compile(r"-|t(ru?)?|f(a(ls?)?)?|n(ul?)?|\.|[eE][+-]?")
_CUT_ESCAPE = re.compile(r"\\?u?[0-9a-fA-F]{0,4}")
# A string that an object has as a value.
_STRING = re.compile(r':\s*(?=("[^"\\]*(?:\\.[^"\\]*)*"))')
# A member of an object, and a line of a list of names and values.
_MEMBER = re.compile(
    r"""(?m)(?:(?P<mark>["'])(?P<quoted>[\w.-]+)(?P=mark)\s*:\s*|^\s*(?:export\s+)?(?P<plain>[A-Za-z_][\w.-]*)(?:\s*=\s*|\s*:\s+))"""
    r"""(?:"(?P<double>(?:[^"\\\n]|\\.)*)|'(?P<single>(?:[^'\\\n]|\\.)*)|(?P<bare>[^\s"'{\[][^\n]*))"""
)


class DocumentError(RunbookError):
    """A secret's text from which ECS cannot read keys; the message shows nothing of the text.

    `problem` is the fault's id, `position` the offset in characters where parsing stopped, or None, and `reason` the
    end of a sentence about the text.
    """

    def __init__(self, problem: Problem, position: int | None, name: str, reason: str) -> None:
        super().__init__(f"The text of {name} {reason}")
        self.problem = problem
        self.position = position
        self.reason = reason


@dataclass(frozen=True)
class Member:
    """A key of the secret; `injected` is the variable's text, `span` the range of the raw value in the document."""

    key: str
    kind: Kind
    injected: Masked
    span: tuple[int, int]

    @property
    def is_key_a_value(self) -> bool:
        """Whether a value stands in the place of its key by mistake, which is masked as the value is."""
        return self.injected.name != self.key


@dataclass(frozen=True)
class _Occurrence:
    """A member's range in the text, from its key's first quote (`start`) to after its last (`key_end`)."""

    member: Member
    start: int
    key_end: int


@dataclass(frozen=True)
class Document:
    """A secret's JSON object in its own order; of keys that occur twice (`duplicates`) the last one counts."""

    value: Masked
    members: tuple[Member, ...]
    duplicates: tuple[str, ...]
    _occurrences: tuple[_Occurrence, ...] = field(repr=False)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys, each once."""
        return tuple(member.key for member in self.members)

    def get(self, key: str) -> Member | None:
        """The member with this exact key; None where there is none."""
        return self._by_key.get(key)

    @cached_property
    def _by_key(self) -> Mapping[str, Member]:
        return {member.key: member for member in self.members}

    def replace(self, changes: Mapping[str, Masked], remove: Collection[str] = ()) -> Masked:
        """Return the text with these values, as strings, and without the removed keys.

        Every other byte stays: order, spacing, numbers, escapes, and strings that already have their value. New keys
        follow the last member in its style. Removing an absent key does nothing. Raises ValueError for a key that is
        in both.
        """
        if both := set(changes).intersection(remove):
            raise ValueError(f"Cannot change and remove the same key: {', '.join(sorted(both))}")
        old = reveal(self.value)
        pieces: list[tuple[str, str]] = []
        end = 0
        for occurrence in self._occurrences:
            if occurrence.member.key not in remove:
                pieces.append((old[end : occurrence.start], self._rewrite(occurrence, changes, old)))
            end = occurrence.member.span[1]
        between, colon = self._style(old)
        for key, change in changes.items():
            if self.get(key) is None:
                pieces.append((between, _encode(key, old) + colon + _encode(reveal(change), old)))
        brace = old.index("{") + 1
        head = old[: self._occurrences[0].start] if self._occurrences else old[:brace]
        tail = old[end or brace :]
        first, *others = pieces or [("", "")]
        text = first[1] + "".join(gap + body for gap, body in others)
        return Masked(head + text + tail, self.value.name)

    def _rewrite(self, occurrence: _Occurrence, changes: Mapping[str, Masked], old: str) -> str:
        member, (start, end) = occurrence.member, occurrence.member.span
        change = changes.get(member.key) if member is self.get(member.key) else None
        if change is None or (member.kind == "string" and member.injected.same_as(change)):
            return old[occurrence.start : end]
        return old[occurrence.start : start] + _encode(reveal(change), old)

    def _style(self, text: str) -> tuple[str, str]:
        """The text between two members, and between a key and its value."""
        if not self._occurrences:
            return ", ", ": "
        first, last = self._occurrences[0], self._occurrences[-1]
        colon = text[last.key_end : last.member.span[0]]
        if first is not last:
            return text[self._occurrences[-2].member.span[1] : last.start], colon
        lead = text[text.index("{") + 1 : first.start]
        return "," + (lead or colon.partition(":")[2]), colon


def compare(before: Document | None, after: Document) -> dict[str, Action]:
    """What happens to each key when `after` replaces `before`; `before` is None where no document could be parsed."""
    actions: dict[str, Action] = {}
    for key in dict.fromkeys((*(before.keys if before else ()), *after.keys)):
        old, new = before.get(key) if before else None, after.get(key)
        if old is None or new is None:
            actions[key] = "added" if old is None else "removed"
        else:
            same = old.kind == new.kind and old.injected.same_as(new.injected)
            actions[key] = "unchanged" if same else "changed"
    return actions


def differ(before: Member | None, now: Member | None) -> bool:
    """Whether ECS injects another value from one member than from the other, or only one of them is there."""
    if before is None or now is None:
        return before is not now
    return not before.injected.same_as(now.injected)


def parse(value: Masked) -> Document:
    """Parse a SecretString as strictly as ECS does; from then on each member's text is masked as its key.

    Raises DocumentError. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
    """
    registry.exempt(_PUBLIC)
    occurrences = _read(value)
    # Raised here, where no local variable has the text, so that no traceback can show it.
    if isinstance(occurrences, DocumentError):
        raise occurrences
    last = {occurrence.member.key: occurrence.member for occurrence in occurrences}
    # A piece of the document may be a name, which a value as short as "" does not make public.
    registry.exempt(key for key, member in last.items() if member.injected.name == key)
    counts = Counter(occurrence.member.key for occurrence in occurrences)
    duplicates = tuple(key for key, count in counts.items() if count > 1)
    return Document(value, tuple(last.values()), duplicates, occurrences)


def _read(value: Masked) -> tuple[_Occurrence, ...] | DocumentError:
    text = reveal(value)
    try:
        return tuple(_scan(text))
    except json.JSONDecodeError as error:
        _register_members(text)
        problem, position = _classify(error)
        line = text.count("\n", 0, position) + 1
        column = position - text.rfind("\n", 0, position)
        sentence = (_shape(error) if problem == "not-json" else "") or _SENTENCES[problem]
        return DocumentError(problem, position, value.name, f"at line {line}, column {column} {sentence}.")
    except RecursionError:
        return DocumentError("too-deep", None, value.name, f"{_SENTENCES['too-deep']}.")


def _register_members(text: str) -> None:
    """Register what looks like a value in a text that is no JSON: tasks may still have it, and log it."""
    for member in _MEMBER.finditer(text):
        value = next(filter(None, (member["double"], member["single"], member["bare"])), "")
        registry.register(value.strip(), member["quoted"] or member["plain"])


def _shape(error: json.JSONDecodeError) -> str:
    """What a text is instead of JSON, or has that JSON lacks, as the end of a sentence; "" where that is unknown."""
    text, before, rest = error.doc.strip(), error.doc[: error.pos], error.doc[error.pos :]
    if re.fullmatch(r"(?:fileb?://)?[\w./~\\:-]+\.json|fileb?://\S+", text):
        return "is the path of a file: put what is in it, since few tools read file:// themselves"
    with suppress(ValueError):
        if base64.b64decode(text, validate=True).lstrip().startswith(b"{"):
            return "is JSON in base64: put the JSON itself"
    if all(re.match(r"\s*(?:#|(?:export\s+)?[A-Za-z_][\w.-]*\s*[=:]|\Z)", line) for line in text.splitlines()):
        return "is a list of names and values: put a JSON object"
    if rest.startswith(("//", "/*", "#")):
        return "has a comment, which JSON does not know: put valid JSON"
    if rest.startswith(("}", "]")) and before.rstrip().endswith(","):
        return "has a comma behind its last member: put valid JSON"
    return "goes on behind the end of its JSON: put one object" if error.msg == "goes-on" else ""


def _scan(text: str) -> Iterator[_Occurrence]:
    """Yield each member of the text's object; a JSONDecodeError has the problem's id or Python's message."""
    if text.startswith("\ufeff"):
        raise json.JSONDecodeError("bom", text, 0)
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        _end(text, _value(text, at)[1])
        raise json.JSONDecodeError("not-an-object", text, at)
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return _end(text, at + 1)
    strings = {*_STRING.findall(text)}
    while True:
        start = at
        key, key_end = scanstring(text, _expect('"', text, start), True)
        at = _skip(text, _expect(":", text, _skip(text, key_end)))
        value, end = _value(text, at)
        name = _name(key, value, text[start:key_end] in strings)
        for leaf in _leaves(value):
            registry.register(leaf, name)
        member = Member(key, _kind(value), Masked(_go_text(value), name), (at, end))
        yield _Occurrence(member, start, key_end)
        at = _skip(text, end)
        if text[at : at + 1] == "}":
            return _end(text, at + 1)
        at = _skip(text, _expect(",", text, at))


def _name(key: str, value: Any, is_value: bool) -> str:
    """What a member's value is masked as: its key, unless that is a value by mistake, which is masked itself.

    `is_value` says whether a member has the key as its value.
    """
    if misplaced.is_exchanged(key, value):
        name = str(value)
    elif misplaced.is_key_a_value(key, is_value):
        name = "a-value-as-key"
    else:
        return key
    registry.register(key, name)
    return name


def _skip(text: str, at: int) -> int:
    return cast(re.Match[str], WHITESPACE.match(text, at)).end()


def _expect(character: str, text: str, at: int) -> int:
    if text[at : at + 1] != character:
        raise json.JSONDecodeError("not-json", text, at)
    return at + 1


def _end(text: str, at: int) -> None:
    if (rest := _skip(text, at)) != len(text):
        raise json.JSONDecodeError("goes-on", text, rest)


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError:
        raise
    except OverflowError:
        raise json.JSONDecodeError("number-range", text, at) from None
    except ValueError:
        raise json.JSONDecodeError("not-json", text, at) from None


class _Number(float):
    """A number, and how it is written."""

    text: str

    def __new__(cls, text: str) -> "_Number":
        number = super().__new__(cls, text)
        number.text = text
        return number


def _number(text: str) -> _Number:
    # Go keeps every number as a 64-bit float and refuses what does not fit.
    number = _Number(text)
    if math.isinf(number):
        raise OverflowError
    return number


def _refuse(_: str) -> Never:
    raise ValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_refuse)
_INNER_DECODER = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_refuse)
"""For JSON within a string, which Go leaves as it is."""


def _classify(error: json.JSONDecodeError) -> tuple[Problem, int]:
    """The fault and its offset; of a truncated text that is its end."""
    if error.msg in ("bom", "not-an-object", "number-range"):
        return cast(Problem, error.msg), error.pos
    rest = error.doc[error.pos :]
    stops = not rest.strip(" \t\r\n") or _CUT_TOKEN.fullmatch(rest) is not None
    escape = "escape" in error.msg and _CUT_ESCAPE.fullmatch(rest) is not None
    if stops or escape or error.msg.startswith("Unterminated string"):
        return "truncated", len(error.doc)
    return ("single-quoted" if rest.startswith("'") else "not-json"), error.pos


def _leaves(value: Any) -> Iterator[str]:
    """Yield each string and each long number within a value: each is a secret, though ECS injects all as one text.

    A string that is JSON itself, as a service account's key is, has such members too, also in base64.
    """
    if isinstance(value, _Number):
        if not is_common(value.text):
            yield value.text
            if math.isfinite(value):
                yield _go_float(value)
    elif isinstance(value, str):
        yield value
        if value.lstrip()[:1] in ("{", "["):
            # The standard library follows the nesting by recursion.
            with suppress(ValueError, RecursionError):
                yield from _leaves(_INNER_DECODER.decode(value))
        if decoded := decode(value):
            yield from _leaves(decoded)
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _leaves(child)


def _kind(value: Any) -> Kind:
    kinds: dict[type, Kind] = {str: "string", _Number: "number", bool: "boolean", dict: "object", list: "array"}
    return kinds.get(type(value), "null")


def _go_text(value: Any) -> str:
    """What Go's %v prints for a decoded JSON value, which is what the ECS agent injects."""
    if isinstance(value, str):
        # Go has no lone surrogates: it decodes each to the replacement character.
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, dict):
        return "map[" + " ".join(f"{_go_text(key)}:{_go_text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_go_text, value)) + "]"
    if isinstance(value, float):
        return _go_float(value)
    return {True: "true", False: "false"}.get(value, "<nil>")


def _go_float(number: float) -> str:
    """The shortest digits that identify the number; with an exponent below 1e-04 and from 1e+06."""
    decimal = Decimal(repr(number)).normalize()
    exponent = decimal.adjusted()
    if -4 <= exponent < 6:
        return format(decimal, "f")
    first, *others = map(str, decimal.as_tuple().digits)
    sign = "-" if number < 0 else ""
    return f"{sign}{first}{'.' if others else ''}{''.join(others)}e{exponent:+03d}"


def _encode(text: str, document: str) -> str:
    """The text as a JSON string; a document in ASCII stays so."""
    lone = re.search("[\ud800-\udfff]", text) is not None
    return json.dumps(text, ensure_ascii=document.isascii() or lone)
