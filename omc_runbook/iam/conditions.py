"""Conditions of IAM policies, evaluated to true, false, or None where a condition key's value is unknown.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from omc_runbook.model.truth import Truth, all_of, any_of, invert

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_LITERALS = ("*", "?", "$")
# "aws:PrincipalTag/" of a tag's name, "kms:EncryptionContext:" of a member's.
_KIND = re.compile(r"\A([^:]+:[^/:]+[/:]).+", re.DOTALL)
TIMES = frozenset({"aws:currenttime", "aws:epochtime"})
"""The condition keys of a call's time, in lower case."""
_SCALARS = (str, int, float)
UNKNOWN_END = "\0"
"""What the value of a condition key ends with whose end is unknown."""
_SET_OPERATORS = ("", "ForAnyValue", "ForAllValues")


@dataclass(frozen=True)
class ConditionKeys:
    """The condition keys of one request, by lower-case name: a missing key is unknown, an empty tuple is absent.

    "aws:ResourceTag/*" stands for every key of its kind that is not named itself.
    """

    values: Mapping[str, tuple[str, ...]]
    variables: bool = True

    @classmethod
    def of(cls, context: Mapping[str, str | Sequence[str]] | None, variables: bool = True) -> "ConditionKeys":
        """Make them from a caller's mapping; `variables` is whether the policy's version substitutes `${…}`."""
        listed = (context or {}).items()
        values = {key.lower(): (value,) if isinstance(value, str) else tuple(value) for key, value in listed}
        return cls(values, variables)

    def get(self, name: str) -> tuple[str, ...] | None:
        """The key's values: `()` if the request does not have the key, None if that is unknown."""
        lower = name.lower()
        return self.values.get(lower, self.values.get(_KIND.sub(r"\1*", lower)))

    def lacks(self, variable: str) -> bool:
        """Whether the request does not have the key of `${variable}`, for which there is no default either."""
        name, comma, _ = variable.partition(",")
        return variable not in _LITERALS and not comma and self.get(name.strip()) == ()

    def lacks_some(self, pattern: str) -> bool:
        """Whether the pattern has a policy variable that the request lacks."""
        return self.variables and any(map(self.lacks, _VARIABLE.findall(pattern)))

    def substitute(self, variable: str) -> str | None:
        """The value that IAM puts in the place of `${variable}`; None if it is unknown."""
        if variable in _LITERALS:
            return variable
        name, comma, default = variable.partition(",")
        values = self.get(name.strip())
        if values == () and comma:
            return default.strip().strip("'")
        return values[0] if values and len(values) == 1 and not values[0].endswith(UNKNOWN_END) else None


def texts(element: Any) -> list[str] | None:
    """A policy element, a scalar or a list of scalars, as strings; None if it is anything else."""
    if isinstance(element, str):
        return [element]
    members = element if isinstance(element, list) else [element]
    if not all(isinstance(member, _SCALARS) for member in members):
        return None
    return [str(member).lower() if isinstance(member, bool) else str(member) for member in members]


def none_matches(
    patterns: Sequence[str], text: str, keys: ConditionKeys, compare: Callable[[str, str, ConditionKeys], Truth]
) -> Truth:
    """Whether none of the patterns of a negated element or operator matches the text.

    None as well where only a policy variable that the request lacks keeps a pattern from matching: AWS may take the
    whole statement for invalid. See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    truth = invert(any_of(compare(pattern, text, keys) for pattern in patterns))
    return None if truth and any(keys.lacks_some(pattern) for pattern in patterns) else truth


def matches(pattern: str, text: str, keys: ConditionKeys, *, glob: bool = True, fold: bool = False) -> Truth:
    """Whether a pattern matches the whole text, with `*` and `?` if `glob`, ignoring case if `fold`.

    None where the pattern has a policy variable whose value is unknown, or the text an end that is.
    """
    if text.endswith(UNKNOWN_END):
        start = text.removesuffix(UNKNOWN_END)
        if glob and pattern.endswith("*") and matches(pattern, start, keys, glob=glob, fold=fold):
            # Whatever follows, too.
            return True
        return None if _may_begin(pattern, start, glob) else False
    if not keys.variables or "$" not in pattern:
        return _expression((pattern,), glob, fold).fullmatch(text) is not None
    pieces: list[str | None] = []
    for position, piece in enumerate(_VARIABLE.split(pattern)):
        if position % 2 and keys.lacks(piece):
            return False
        pieces.append(keys.substitute(piece) if position % 2 else piece)
    is_match = _expression(tuple(pieces), glob, fold).fullmatch(text) is not None
    return is_match if None not in pieces or not is_match else None


def _may_begin(pattern: str, start: str, glob: bool) -> bool:
    """Whether a pattern may match some text with this start: False only where nothing makes it match one."""
    for own, character in zip(pattern, start, strict=False):
        if own == "$" or (glob and own == "*"):
            return True
        if not (glob and own == "?") and own.casefold() != character.casefold():
            return False
    return len(pattern) >= len(start)


@lru_cache(maxsize=1024)
def _expression(pieces: tuple[str | None, ...], glob: bool, fold: bool) -> re.Pattern[str]:
    """The expression of a pattern; every second piece is a variable's value, or None if that is unknown."""
    chunks = [""]
    for position, piece in enumerate(pieces):
        if position % 2:
            parts = ["", ""] if piece is None else [re.escape(piece)]
        else:
            text = piece or ""
            parts = [re.escape(part) for part in (re.split(r"\*+", text) if glob else [text])]
            parts = [part.replace(r"\?", ".") for part in parts] if glob else parts
        chunks[-1] += parts[0]
        chunks += parts[1:]
    # Atomic groups, because a policy full of asterisks would backtrack for ever.
    first, *middle = chunks
    last = f".*{middle.pop()}" if middle else ""
    expression = first + "".join(f"(?>.*?{chunk})" for chunk in middle) + last
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if fold else 0))


def evaluate_condition(block: Any, keys: ConditionKeys) -> Iterator[tuple[str, Truth]]:
    """Evaluate a Condition element: yields (condition key or operator, truth) for each test; all must be true.

    Where the key is known and a policy variable that it is compared with is not, the variable is named instead.
    """
    if not isinstance(block, Mapping):
        yield "Condition", None
        return
    for name, tests in block.items():
        if not isinstance(tests, Mapping):
            yield name, None
            continue
        for key, patterns in tests.items():
            truth = _test(name, texts(patterns), keys.get(key), keys)
            unknown = _unknown_variables(patterns, keys) if truth is None and keys.get(key) is not None else ()
            yield from ((each, truth) for each in unknown or (key,))


def keys_in(block: Any) -> Iterator[str]:
    """The condition keys that a Condition element compares, and those of the policy variables in it."""
    for tests in block.values() if isinstance(block, Mapping) else ():
        for key, patterns in tests.items() if isinstance(tests, Mapping) else ():
            yield key
            yield from variables_in(patterns)


def compared_with(condition: Any, key: str) -> Iterator[str]:
    """The texts with which a Condition compares a condition key, which is in lower case here."""
    for tests in condition.values() if isinstance(condition, Mapping) else ():
        for name, values in tests.items() if isinstance(tests, Mapping) else ():
            yield from texts(values) or () if name.lower() == key else ()


def begins_in(condition: Any, effect: str) -> Iterator[datetime]:
    """The moments in a Condition from which on its statement allows a call, or no longer denies it."""
    order = "LessThan" if effect == "Deny" else "GreaterThan"
    for name, tests in condition.items() if isinstance(condition, Mapping) else ():
        operator = name.rpartition(":")[2]
        is_about_time = operator.startswith((f"Date{order}", f"Numeric{order}")) and isinstance(tests, Mapping)
        for key, values in tests.items() if is_about_time else ():
            for text in texts(values) or () if key.lower() in TIMES else ():
                with suppress(InvalidOperation, ValueError, OverflowError, OSError):
                    yield datetime.fromtimestamp(float(_date(text)), UTC)


def variables_in(patterns: Any) -> Iterator[str]:
    """The condition keys of the policy variables in what a test compares with."""
    for variable in _VARIABLE.findall(" ".join(texts(patterns) or ())):
        if variable not in _LITERALS:
            yield variable.partition(",")[0].strip()


def _unknown_variables(patterns: Any, keys: ConditionKeys) -> list[str]:
    names = variables_in(patterns) if keys.variables else ()
    return [name for name in dict.fromkeys(names) if keys.get(name) is None]


def _test(name: str, patterns: list[str] | None, actual: tuple[str, ...] | None, keys: ConditionKeys) -> Truth:
    quantifier, _, bare = name.rpartition(":")
    base = bare.removesuffix("IfExists")
    compare = _OPERATORS.get(_NEGATED.get(base, base))
    if patterns is None or actual is None or quantifier not in _SET_OPERATORS:
        return None
    if name == "Null":
        return any_of(_boolean(value, str(not actual).lower(), keys) for value in patterns)
    if compare is None:
        return None
    if not actual:
        if quantifier == "ForAnyValue":
            # ForAnyValue is false without values, and IfExists true: AWS does not say which of them decides.
            return None if bare != base else False
        return bare != base or quantifier == "ForAllValues" or base in _NEGATED

    def holds(value: str) -> Truth:
        if base in _NEGATED:
            return none_matches(patterns, value, keys, compare)
        return any_of(compare(pattern, value, keys) for pattern in patterns)

    if quantifier == "ForAnyValue":
        return any_of(map(holds, actual))
    if quantifier == "ForAllValues":
        return all_of(map(holds, actual))
    return holds(actual[0]) if len(actual) == 1 else None


_Compare = Callable[[str, str, ConditionKeys], Truth]


def _string(*, glob: bool = False, fold: bool = False) -> _Compare:
    return lambda pattern, value, keys: matches(pattern, value, keys, glob=glob, fold=fold)


def _arn(pattern: str, value: str, keys: ConditionKeys) -> Truth:
    """Compare ARNs field by field: a wildcard does not cross a colon, except in the sixth field, the resource."""
    # The colons in a variable's name separate no fields.
    escaped = _VARIABLE.sub(lambda variable: variable.group().replace(":", "\0"), pattern)
    patterns = [field.replace("\0", ":") for field in escaped.split(":", 5)]
    fields = value.split(":", 5)
    if len(patterns) != 6:
        return None
    if len(fields) != 6:
        return False
    return all_of(matches(*pair, keys) for pair in zip(patterns, fields, strict=True))


def _boolean(pattern: str, value: str, keys: ConditionKeys) -> Truth:
    pair = {pattern.lower(), value.lower()}
    return len(pair) == 1 if pair <= {"true", "false"} else None


def _address(pattern: str, value: str, keys: ConditionKeys) -> Truth:
    try:
        return ip_address(value) in ip_network(pattern, strict=False)
    except ValueError:
        return None


def _date(text: str) -> Decimal:
    """Seconds since 1970, from epoch seconds or an ISO 8601 date."""
    try:
        return Decimal(text)
    except InvalidOperation:
        moment = datetime.fromisoformat(text)
        return Decimal(str((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))


def _ordered(parse: Callable[[str], Decimal], holds: Callable[[Decimal, Decimal], bool]) -> _Compare:
    def compare(pattern: str, value: str, keys: ConditionKeys) -> Truth:
        try:
            return holds(parse(value), parse(pattern))
        except (InvalidOperation, ValueError):
            return None

    return compare


_ORDERS = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
_OPERATORS: dict[str, _Compare] = {
    "StringEquals": _string(),
    "StringEqualsIgnoreCase": _string(fold=True),
    "StringLike": _string(glob=True),
    "ArnEquals": _arn,
    "ArnLike": _arn,
    "Bool": _boolean,
    "IpAddress": _address,
    **{f"Numeric{order}": _ordered(Decimal, holds) for order, holds in _ORDERS.items()},
    **{f"Date{order}": _ordered(_date, holds) for order, holds in _ORDERS.items()},
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}
