"""Faults on the wire: chosen calls are delayed or refused before AWS sees them."""

import itertools
import threading
import time
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from omc_runbook.model.errors import UsageError

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Rule:
    """What to do to calls of `action` ("ecs:DescribeServices", wildcards allowed) by matching principals.

    `error` is an AWS error code, or empty for a delay alone; `delay_ms` is in milliseconds; `principal`
    is part of the caller's ARN; `remaining` is how many calls it still applies to, None for all.
    """

    action: str = "*"
    error: str = ""
    message: str = "Rate exceeded"
    delay_ms: float = 0.0
    principal: str = ""
    remaining: int | None = None
    id: int = field(default_factory=lambda: next(_NUMBERS))


class Wire:
    """The rules in force, safe to use from several threads."""

    def __init__(self) -> None:
        self._rules: dict[int, Rule] = {}
        self._lock = threading.Lock()

    def add(self, members: dict[str, Any]) -> Rule:
        """Put a rule in force from its JSON: action, error, message, count, delay_ms, principal."""
        known = {"action", "error", "message", "count", "delay_ms", "principal"}
        if unknown := sorted(set(members) - known):
            raise UsageError(f"a wire rule has no member {unknown[0]}: use {', '.join(sorted(known))}")
        values = {name: value for name, value in members.items() if name != "count"}
        rule = Rule(**values, remaining=members.get("count"))
        with self._lock:
            self._rules[rule.id] = rule
        return rule

    def clear(self, rule_id: int | None = None) -> None:
        """Lift one rule, or all."""
        with self._lock:
            if rule_id is None:
                self._rules.clear()
            else:
                self._rules.pop(rule_id, None)

    def rules(self) -> list[dict[str, Any]]:
        """The rules in force, as JSON members."""
        with self._lock:
            return [asdict(rule) for rule in self._rules.values()]

    def apply(self, action: str, principal_arn: str) -> tuple[str, str] | None:
        """Delay the call as the rules say; the (code, message) to refuse it with, or None to let it pass."""
        with self._lock:
            hit = [r for r in self._rules.values() if _concerns(r, action, principal_arn)]
            for rule in hit:
                if rule.remaining is None:
                    continue
                if rule.remaining <= 1:
                    del self._rules[rule.id]
                else:
                    self._rules[rule.id] = Rule(**asdict(rule) | {"remaining": rule.remaining - 1})
        time.sleep(sum(rule.delay_ms for rule in hit) / 1000)
        return next(((rule.error, rule.message) for rule in hit if rule.error), None)


WIRE = Wire()


def _concerns(rule: Rule, action: str, principal_arn: str) -> bool:
    names = (action, action.partition(":")[2])
    return rule.principal in principal_arn and any(fnmatchcase(name, rule.action) for name in names)
