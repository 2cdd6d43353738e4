"""Faults on the wire: selected calls are delayed, or fail before AWS sees them."""

import itertools
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from omc_runbook.model.errors import UsageError

_NUMBERS = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class WireRule:
    """A rule for calls of `action` ("ecs:DescribeServices", wildcards allowed) by matching principals.

    `error` is an AWS error code, or "" for only a delay; `delay_ms` is in milliseconds; `principal` is part of the
    caller's ARN; `remaining` is how many calls it still applies to, None for all.
    """

    action: str = "*"
    error: str = ""
    message: str = "Rate exceeded"
    delay_ms: float = 0.0
    principal: str = ""
    remaining: int | None = None
    id: int = field(default_factory=lambda: next(_NUMBERS))


class Wire:
    """The active rules; safe to use from several threads."""

    def __init__(self) -> None:
        self._rules: dict[int, WireRule] = {}
        self._lock = threading.Lock()

    def add(self, members: dict[str, Any]) -> WireRule:
        """Activate a rule from its JSON members; raises UsageError for an unknown member."""
        fields = {"action", "error", "message", "count", "delay_ms", "principal"}
        if unknown := sorted(set(members) - fields):
            raise UsageError(f"a wire rule has no member {unknown[0]}: use {', '.join(sorted(fields))}")
        values = {name: value for name, value in members.items() if name != "count"}
        rule = WireRule(**values, remaining=members.get("count"))
        with self._lock:
            self._rules[rule.id] = rule
        return rule

    def clear(self, rule_id: int | None = None) -> None:
        """Remove one rule, or all."""
        with self._lock:
            if rule_id is None:
                self._rules.clear()
            else:
                self._rules.pop(rule_id, None)

    def rules(self) -> list[dict[str, Any]]:
        """The active rules, as JSON members."""
        with self._lock:
            return [asdict(rule) for rule in self._rules.values()]

    def apply(self, action: str, principal_arn: str) -> tuple[str, str] | None:
        """Delay a call as the rules say; returns the code and message of its error, or None to let it pass."""
        with self._lock:
            matching = [r for r in self._rules.values() if _matches(r, action, principal_arn)]
            for rule in matching:
                if rule.remaining is None:
                    continue
                if rule.remaining <= 1:
                    del self._rules[rule.id]
                else:
                    self._rules[rule.id] = replace(rule, remaining=rule.remaining - 1)
        if delay_ms := sum(rule.delay_ms for rule in matching):
            time.sleep(delay_ms / 1000)
        return next(((rule.error, rule.message) for rule in matching if rule.error), None)


WIRE = Wire()


def _matches(rule: WireRule, action: str, principal_arn: str) -> bool:
    names = (action, action.partition(":")[2])
    return rule.principal in principal_arn and any(fnmatchcase(name, rule.action) for name in names)
