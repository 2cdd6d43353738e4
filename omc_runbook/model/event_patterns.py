"""Which recorded calls the filter pattern of a log group, or the event pattern of a rule, matches.

Both are judged on an event of which some fields are known. Other fields may have any value, so that a pattern which
depends on them matches some such events: it counts as a match. None is the answer where a pattern has what is not read
here, such as a regular expression.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from omc_runbook.model.truth import all_of, any_of

Fields = Mapping[str, tuple[str | bool, ...]]
"""The possible values of an event's fields, by their paths, such as "requestParameters.secretId"; () where the event
does not have the field."""

_TOKEN = re.compile(r"\s*(\(|\)|&&|\|\||!=|<=|>=|=|<|>|\"(?:[^\"\\]|\\.)*\"|%[^%]*%|[^\s()&|=!<>\"]+)")
_SELECTOR = re.compile(r"\$(\.[\w-]+)+")
_WORDS = re.compile(r"[?-]?\"[^\"]*\"|\S+")


def matches_filter(pattern: str, event: Fields) -> bool | None:
    """Whether a metric filter's pattern matches an event; None where that is not known.

    See https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    text = pattern.strip()
    if not text:
        return True
    if text.startswith("{") and text.endswith("}"):
        try:
            return _Expression(text[1:-1], event).evaluate()
        except ValueError:
            return None
    if text.startswith("[") or text.startswith("%"):
        return None
    return _matches_words(_WORDS.findall(text), event)


def _matches_words(words: Iterable[str], event: Fields) -> bool:
    """Whether terms without a structure are in an event: each alone, with ? any of them, with - none."""
    values = " ".join(_as_text(value) for values in event.values() for value in values)
    found = [(word[:1], word.lstrip("?-").strip('"') in values) for word in words]
    optional = [is_in for sign, is_in in found if sign == "?"]
    required = [is_in is not (sign == "-") for sign, is_in in found if sign != "?"]
    return all(required) and (not optional or any(optional))


def _split(text: str) -> Iterator[str]:
    """The tokens of a JSON filter pattern; raises ValueError where it has something else."""
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(text[at:])
        yield found[1]
        at = found.end()


class _Expression:
    """The conditions of a JSON filter pattern on one event."""

    def __init__(self, text: str, event: Fields) -> None:
        self._event = event
        self._tokens = list(_split(text))

    def evaluate(self) -> bool | None:
        """The answer of the whole pattern; raises ValueError where it cannot be read."""
        answer = self._any()
        if self._tokens:
            raise ValueError(self._tokens[0])
        return answer

    def _any(self) -> bool | None:
        return any_of(self._operands("||", self._all))

    def _all(self) -> bool | None:
        return all_of(self._operands("&&", self._condition))

    def _operands(self, operator: str, read: Callable[[], bool | None]) -> list[bool | None]:
        answers = [read()]
        while self._tokens[:1] == [operator]:
            self._tokens.pop(0)
            answers.append(read())
        return answers

    def _condition(self) -> bool | None:
        token = self._next()
        if token == "(":
            answer = self._any()
            if self._next() != ")":
                raise ValueError(token)
            return answer
        if not _SELECTOR.fullmatch(token):
            raise ValueError(token)
        return self._compare(self._event.get(token[2:]), self._next())

    def _compare(self, values: tuple[str | bool, ...] | None, operator: str) -> bool | None:
        """Whether one of a field's possible values meets a condition, whose other words are read."""
        word = operator.upper()
        if word in ("IS", "NOT"):
            other = self._next().upper()
            if other == "EXISTS":
                return values is None or not values
            if other in ("NULL", "TRUE", "FALSE"):
                return values is None or other.lower() in map(_as_text, values)
            raise ValueError(other)
        if word == "EXISTS":
            return values is None or bool(values)
        if operator not in ("=", "!="):
            if operator in ("<", ">", "<=", ">="):
                self._next()
                return None if values is None else False
            raise ValueError(operator)
        text = self._next()
        if text.startswith("%"):
            return None
        pattern = text[1:-1] if text.startswith('"') else text
        if values is None:
            return True
        is_met = [fnmatchcase(_as_text(value), re.sub(r"([\[?])", r"[\1]", pattern)) for value in values]
        return any(is_met) if operator == "=" else not values or not all(is_met)

    def _next(self) -> str:
        if not self._tokens:
            raise ValueError("the pattern ends early")
        token: str = self._tokens.pop(0)
        return token


def matches_rule(pattern: str, event: Fields) -> bool | None:
    """Whether an EventBridge rule's event pattern matches an event; None where that is not known.

    See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
    """
    try:
        parsed = json.loads(pattern)
    except ValueError:
        return None
    return _matches_object(parsed, event, "") if isinstance(parsed, dict) else None


def _matches_object(pattern: Mapping[str, Any], event: Fields, path: str) -> bool | None:
    return all_of(_matches_member(name, part, event, path) for name, part in pattern.items())


def _matches_member(name: str, part: Any, event: Fields, path: str) -> bool | None:
    if name == "$or":
        return any_of(_matches_object(each, event, path) for each in part)
    if isinstance(part, dict):
        return _matches_object(part, event, f"{path}{name}.")
    values = event.get(f"{path}{name}")
    return any_of(_matches_content(each, values) for each in part)


def _matches_content(content: Any, values: tuple[str | bool, ...] | None) -> bool | None:
    """Whether one of a field's possible values is what one entry of a pattern's list says."""
    if isinstance(content, dict):
        if len(content) != 1:
            return None
        [(operator, operand)] = content.items()
        if operator == "exists":
            return values is None or bool(values) is operand
        if values is None:
            return True
        if operator == "anything-but":
            return _matches_other(operand, values)
        test = _TESTS.get(operator)
        if test is None or not isinstance(operand, str):
            return None
        return any(isinstance(value, str) and test(value, operand) for value in values)
    return True if values is None else any(_is_same(value, content) for value in values)


def _matches_other(operand: Any, values: tuple[str | bool, ...]) -> bool | None:
    """Whether one of the values is none of those that `anything-but` names."""
    if isinstance(operand, dict):
        operator, text = next(iter(operand.items()), ("", ""))
        test, texts = _TESTS.get(operator), text if isinstance(text, list) else [text]
        if test is None or not all(isinstance(each, str) for each in texts):
            return None
        return any(not isinstance(value, str) or not any(test(value, each) for each in texts) for value in values)
    texts = operand if isinstance(operand, list) else [operand]
    return any(not any(_is_same(value, each) for each in texts) for value in values)


def _is_same(value: str | bool, content: Any) -> bool:
    """Whether a value is a pattern's: the text "true" is not the boolean true."""
    return type(value) is type(content) and value == content


def _as_text(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else value


def _has_wildcards(value: str, pattern: str) -> bool:
    """Whether a value is a text in which * stands for any characters, and a backslash for what follows it."""
    parts = re.findall(r"\\[*\\]|.", pattern, re.DOTALL)
    return bool(re.fullmatch("".join(".*" if part == "*" else re.escape(part[-1]) for part in parts), value, re.DOTALL))


_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "prefix": lambda value, text: value.startswith(text),
    "suffix": lambda value, text: value.endswith(text),
    "equals-ignore-case": lambda value, text: value.lower() == text.lower(),
    "wildcard": _has_wildcards,
}
