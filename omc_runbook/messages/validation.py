"""pydantic's validation errors in a log: which variable was refused and why, without its value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from omc_runbook.messages.startline import REFUSED, REQUIRED

_HEADER = re.compile(r"\b(\d{1,4}) validation errors?(?:\(s\))? for (\w{1,80})(?::(?= (.+))|[ \t]*$)")
_NEXT = re.compile(r"; (?=[A-Za-z_]\w{0,63}(?:\.[\w.]{1,80})?: )")
_VISIT = re.compile(r" {4}For further information visit https://errors\.pydantic\.dev/[\d.]{1,20}/[a-z]/(\w{1,60})$")
_CLOSED = re.compile(r"(?:\[type=[\w.]{1,80}|, input_type=[\w.]{1,200})\]$")
_KIND = re.compile(r"[\[(]type=(\w[\w.]{0,80})")
_NAME = re.compile(r"[A-Za-z_]\w{0,63}(?=\.| -> |$)", re.ASCII)
_REQUIRED_NAME = re.compile(r"Value error, ([A-Z][A-Z0-9_]{0,63}): field required", re.IGNORECASE)
_MISSING = ("missing", "value_error.missing")
_LONGEST_ERROR = 60
_FURTHEST = 12

_KINDS = {
    "it is required and not set": "missing",
    "it is not a valid integer": "int_parsing int_parsing_size int_type int_from_float type_error.integer",
    "it is not a valid number": "float_parsing float_type decimal_parsing decimal_type type_error.float"
    " type_error.decimal value_error.decimal.not_finite finite_number",
    "it is neither true nor false": "bool_parsing bool_type type_error.bool value_error.strictbool",
    "it is not a valid URL": "url_parsing url_type url_syntax_violation value_error.url url_too_long",
    "Settings does not allow the scheme of the URL": "url_scheme value_error.url.scheme",
    "it is not one of the values that Settings allows": "literal_error enum type_error.enum value_error.const"
    " none_required",
    "it is not a string": "string_type string_sub_type string_unicode type_error.str",
    "it is not a list": "list_type set_type tuple_type frozen_set_type type_error.list",
    "it is not a mapping": "dict_type model_type model_attributes_type type_error.dict",
    "it is not valid JSON": "json_invalid json_type value_error.json type_error.json",
    "it is too short": "string_too_short too_short value_error.any_str.min_length",
    "it is too long": "string_too_long too_long value_error.any_str.max_length",
    "it does not match the pattern of Settings": "string_pattern_mismatch value_error.str.regex",
    "it is outside the range that Settings allows": "greater_than greater_than_equal less_than less_than_equal"
    " multiple_of",
    "it is not a valid date or time": "date_parsing datetime_parsing time_parsing time_delta_parsing"
    " datetime_from_date_parsing date_from_datetime_parsing",
    "it is not a valid UUID": "uuid_parsing uuid_type",
    "it is not a valid IP address": "ip_any_address ip_v4_address ip_v6_address ip_any_network ip_any_interface"
    " value_error.ipvanyaddress value_error.ipv4address value_error.ipv6address",
    "there is no such file or folder": "path_not_file path_not_directory value_error.path.not_exists"
    " value_error.path.not_a_file value_error.path.not_a_directory",
    "it is not a valid size": "byte_size byte_size_unit",
    "a validator of Settings refuses it": "value_error assertion_error type_error",
    "it is not a valid e-mail address": "value_error.email",
    "Settings has no such field and forbids others": "extra_forbidden value_error.extra",
}
"""Why pydantic refuses a value, in our words, with the types of its errors; one with a full stop is version 1's."""
REASONS = {kind: reason for reason, kinds in _KINDS.items() for kind in kinds.split()}
"""The same by the type of the error."""

# The type of an error whose text does not have it, by the beginning of its message.
_WORDINGS = (
    ("field required", "missing"),
    ("value error,", "value_error"),
    ("assertion failed,", "assertion_error"),
    ("value is not a valid email", "value_error"),
    ("input should be a valid integer", "int_parsing"),
    ("unable to parse input string as an integer", "int_parsing_size"),
    ("input should be a valid number", "float_parsing"),
    ("input should be a valid boolean", "bool_parsing"),
    ("input should be a valid url", "url_parsing"),
    ("url scheme should be", "url_scheme"),
    ("input should be a valid string", "string_type"),
    ("input should be a valid list", "list_type"),
    ("input should be a valid dictionary", "dict_type"),
    ("input should be '", "literal_error"),
    ("string should have at least", "string_too_short"),
    ("string should have at most", "string_too_long"),
    ("string should match pattern", "string_pattern_mismatch"),
    ("invalid json", "json_invalid"),
    ("extra inputs are not permitted", "extra_forbidden"),
)
_OWN = ("value error,", "assertion failed,")


@dataclass(frozen=True)
class FieldError:
    """One error of pydantic's: where it is, its type, and its message, which may hold a value."""

    location: str
    kind: str
    message: str = field(default="", repr=False)

    @property
    def variable(self) -> str:
        """The field or alias that the error is about, "" for one of the whole model."""
        field_name = _NAME.match(self.location)
        name = field_name[0] if field_name and field_name[0] not in ("__root__", "Settings") else ""
        required = _REQUIRED_NAME.match(self.message)
        return name or (required[1] if required else "")

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the location, from the outside in; pydantic 1 writes an arrow between them."""
        return tuple(re.split(r"\.| -> ", self.location))

    @property
    def path(self) -> str:
        """The field of a model that is missing, as db.password; "" where a name in it may be a piece of a value."""
        is_field = self.kind in _MISSING and len(self.names) == 2 and all(map(_NAME.fullmatch, self.names))
        return ".".join(self.names) if is_field else ""

    @property
    def is_foreign(self) -> bool:
        """Whether Settings has no field of the name, so that it comes from a file and may be a piece of a value."""
        return self.kind in ("extra_forbidden", "value_error.extra")

    @property
    def check(self) -> str:
        """The id of the fault."""
        return REQUIRED if self._is_missing else REFUSED

    @property
    def reason(self) -> str:
        """Why, in our own words."""
        if self._is_missing:
            return REASONS["missing"]
        if self.kind == "value_error" and "value is not a valid email address" in self.message.lower():
            return REASONS["value_error.email"]
        if self.kind.startswith("value_error.url") and self.kind not in REASONS:
            return REASONS["value_error.url"]
        return REASONS.get(self.kind) or (f"pydantic says {self.kind}" if self.kind else "Settings refuses it")

    @property
    def _is_missing(self) -> bool:
        return self.kind in _MISSING or bool(_REQUIRED_NAME.match(self.message))


@dataclass(frozen=True)
class Header:
    """The line before the errors: how many there are, of which class, and what follows on the same line, if anything.

    What follows is the form of the sandbox's application: all errors on one line.
    """

    count: int
    model: str
    rest: str = field(repr=False)

    @property
    def is_of_settings(self) -> bool:
        """Whether the class is one of settings, and not of a request to the application."""
        return any(word in self.model.lower() for word in ("settings", "config"))


def find_header(line: str) -> Header | None:
    """The header of errors that a line is or ends with."""
    match = _HEADER.search(line) if "validation error" in line else None
    return Header(int(match[1]), match[2], match[3] or "") if match else None


def read_line(header: Header) -> tuple[FieldError, ...]:
    """The errors that stand on the header's own line, each as `NAME: message`."""
    parts = [part.partition(": ")[::2] for part in _NEXT.split(header.rest.strip())]
    errors = (FieldError(location, _guess(message), message) for location, message in parts)
    return _counted(tuple(errors), header.count)


def read_block(header: Header, lines: Iterable[tuple[int, str]]) -> tuple[tuple[FieldError, ...], int]:
    """The errors in the lines after a header, each with its number, and the number of the last line that was theirs.

    A message or a value may have lines of its own that look like another error. One begins only where another has
    ended; and where there are more than the header counts, none but the first is certain.
    """
    ahead = _Ahead(lines)
    errors: list[list[str]] = []
    at = 0
    while len(errors) <= header.count:
        begin = ahead.find_begin(at, _FURTHEST if 0 < len(errors) < header.count else 0)
        if begin is None:
            break
        if errors:
            errors[-1] += [ahead.line(number) for number in range(at, begin)]
        at = ahead.find_end(begin)
        has_location = not _is_message(ahead.line(begin))
        errors.append([*([] if has_location else [""]), *(ahead.line(number) for number in range(begin, at))])
    return _counted(tuple(_field_errors(errors)), header.count), ahead.number(at - 1)


class _Ahead:
    """The lines after a header, read only as far as somebody looks."""

    def __init__(self, lines: Iterable[tuple[int, str]]) -> None:
        self._rest = iter(lines)
        self._lines: list[tuple[int, str]] = []
        self._is_over = False

    def line(self, at: int) -> str:
        """A line by its position, "" behind the last."""
        while at >= len(self._lines):
            following = next(self._rest, None)
            if following is None:
                self._is_over = True
                return ""
            self._lines.append(following)
        return self._lines[at][1]

    def number(self, at: int) -> int:
        """The number of the line at a position, or of the last if there are fewer; -1 where there is none."""
        return self._lines[min(at, len(self._lines) - 1)][0] if self._lines and at >= 0 else -1

    def find_begin(self, at: int, further: int) -> int | None:
        """Where the next error begins: here, or a few lines further where this one only seemed to have ended."""
        if at == 0 and _is_message(self.line(0)):
            return 0
        for begin in range(at, at + further + 1):
            line = self.line(begin)
            if begin > at and find_header(line):
                return None
            is_after_end = begin == at or _is_end(self.line(begin - 1))
            if is_after_end and _NAME.match(line) and _is_message(self.line(begin + 1)):
                return begin
        return None

    def find_end(self, begin: int) -> int:
        """The position behind an error that begins here."""
        at = begin + (not _is_message(self.line(begin)))
        furthest = begin + _LONGEST_ERROR
        while at < furthest and not _is_closed(self.line(at)) and not self._is_over:
            at += 1
        return at + 1 + bool(_VISIT.fullmatch(self.line(at + 1)))


def _field_errors(errors: Iterable[list[str]]) -> Iterator[FieldError]:
    for location, *lines in errors:
        text = "\n".join(lines)
        message = re.split(r" [\[(]type=", text, maxsplit=1)[0].strip()
        visit, kinds = _VISIT.fullmatch(lines[-1]), set(_KIND.findall(text))
        if message.lower().startswith(_OWN):
            yield FieldError(location, _guess(message), message)
        else:
            yield FieldError(location, visit[1] if visit else kinds.pop() if len(kinds) == 1 else "", message)


def _counted(errors: tuple[FieldError, ...], count: int) -> tuple[FieldError, ...]:
    """The errors if there are no more than the header counts, else the first, of which only the location is certain."""
    if len(errors) <= count:
        return errors
    first = FieldError(errors[0].location, "")
    return (first,) if count == 1 else (first, FieldError("", ""))


def _is_message(line: str) -> bool:
    return line.startswith("  ") and not line.startswith("   ")


def _is_end(line: str) -> bool:
    return _is_closed(line) or bool(_VISIT.fullmatch(line))


def _is_closed(line: str) -> bool:
    return bool(_CLOSED.search(line)) or ("(type=" in line and line.endswith(")"))


def _guess(message: str) -> str:
    lower = message.strip().lower()
    return next((kind for words, kind in _WORDINGS if lower.startswith(words)), "")
