"""Which faults can exist at the same time, so that neither hides nor undoes the other.

A fault *touches* what it changes and what it hides. It *stops* the services whose new tasks cannot start. And it may be
found only in new tasks of some *services*. Two faults are independent where they touch nothing in common, and neither
stops a service in which the other has to be found.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from omc_runbook.sandbox.faults import Fault

WORKER, BACKEND, ROLE, CONTENT, SECRET = "worker", "backend", "role", "content", "secret"
NETWORK, EXEC = "network", "exec"
BOTH = frozenset({WORKER, BACKEND})
ALL = BOTH | {ROLE, CONTENT, SECRET, NETWORK, EXEC}


@dataclass(frozen=True)
class Reach:
    """How far a fault reaches."""

    touches: frozenset[str]
    stops: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()


def reach(touches: str, stops: frozenset[str] = frozenset(), services: str = "") -> Reach:
    """A reach, its parts as words."""
    return Reach(frozenset(touches.split()), stops, frozenset(services.split()))


_ONE = frozenset({WORKER})

STARTING = (
    *("null", "nested", "duplicate-key", "number-format", "white-space", "empty", "placeholder", "weak"),
    *("terraform-overwrote", "key-unreferenced", "bad-copy"),
)
"""Faults of the content with which tasks still start."""

OTHER_SOURCES = (
    *("other-secret-missing", "other-secret-denied", "other-secret-key"),
    *("parameter-missing", "parameter-denied"),
)
"""Faults of other secrets and parameters with which tasks do not start."""

FAMILIES: dict[str, Reach] = {
    # Without a secret there is nothing that a role could read, nor keys to compare.
    "secret": Reach(ALL - {NETWORK, EXEC}, BOTH),
    "reference": reach(WORKER, _ONE),
    "content": reach(CONTENT, BOTH),
    "access": reach(ROLE, BOTH),
    "network": reach(NETWORK, BOTH),
    # Seen by a look inside, which takes ECS Exec.
    "running": reach("worker exec", services=WORKER),
    "exec": reach("worker exec", services=WORKER),
    "deployment": reach(WORKER, services=WORKER),
    # Another runbook finds them.
    "audit": Reach(ALL),
}

EXCEPTIONS: dict[str, Reach] = {
    # A grant that goes with them replaces the role's policy.
    "wrong-region": reach("worker role"),
    "wrong-account": reach("worker role", _ONE),
    "kms-cross-account": reach("worker role", _ONE),
    # They grant what they need, and what denies the role everything denies them too.
    **dict.fromkeys(OTHER_SOURCES, reach("worker role", _ONE)),
    "rotation-pending": reach("secret content"),
    "suffix-stale": reach("secret role worker backend", BOTH),
    "partial-arn": reach(WORKER),
    **dict.fromkeys(STARTING, reach(CONTENT)),
    "app-cache": reach("worker exec content", services=WORKER),
    "store-only": reach("worker content", BOTH, WORKER),
    "value-refused": reach("worker content", _ONE, WORKER),
    "address-differs": reach("worker content"),
    "wrong-host": reach("worker content"),
    "value-expired": reach("worker content"),
    "test-mode": reach("worker content"),
    **dict.fromkeys(("wrong-form", "values-exchanged"), reach(CONTENT, frozenset({BACKEND}))),
    "plain-secret": reach(WORKER),
    "exec-iam": reach(EXEC, services="worker backend"),
    "exec-endpoint": reach("exec network", services="worker backend"),
    # These write a version as well, or are about one.
    "whole-json": reach("worker content"),
    "previous-pinned": reach("worker content"),
    "version-pinned": reach("worker content"),
    "lone-task": reach("worker content", services=WORKER),
    "duplicate-name": reach(WORKER),
    "name-mismatch": reach("backend"),
    "role-absent": reach(WORKER, _ONE),
    # With the key out of use nobody reads what is in the secret.
    "kms-disabled": reach("role content", BOTH),
    "kms-pending": reach("role content", BOTH),
    # Only a task that gets as far as to ask is throttled.
    "throttled": reach("role network", BOTH, "worker backend"),
    # Whatever deploys the services anew undoes the first ones, and finds no cluster after the last.
    **dict.fromkeys(("not-forced", "other-secret-rotated", "parameter-changed"), Reach(ALL)),
    "wrong-names": Reach(ALL),
    "image-pull": reach(WORKER, _ONE, WORKER),
    # It starts new tasks of the backend as well.
    "log-group": reach("worker backend", _ONE, WORKER),
    # A task without a role asks nothing that a policy could deny.
    "endpoint-policy": reach(NETWORK, BOTH, WORKER),
    "breaker-rollback": reach(BACKEND, services=BACKEND),
    "command-fails": reach(BACKEND, services=BACKEND),
    "deployment-paused": reach(BACKEND, services=BACKEND),
    "desired-zero": reach(BACKEND, frozenset({BACKEND})),
    # Without tasks that start these never come to rest.
    "external-controller": reach(BACKEND, services=BACKEND),
    "code-deploy": reach(BACKEND, services=BACKEND),
}

LAST = ("external-controller", "code-deploy", "desired-zero")
"""Made after the other of a pair: no deployment can be forced there any more, or none would start a task."""


def reach_of(fault: Fault) -> Reach:
    """How far a fault reaches: its own entry, else its family's."""
    return EXCEPTIONS.get(fault.id) or FAMILIES[fault.family]


def are_independent(one: Fault, other: Fault) -> bool:
    """Whether two faults can exist at once without affecting each other."""
    a, b = reach_of(one), reach_of(other)
    return not (a.touches & b.touches or a.stops & b.services or b.stops & a.services)


def draw(faults: Sequence[Fault], count: int, seed: int) -> list[tuple[str, str]]:
    """Random pairs of independent faults, all different, each in the order in which to make it."""
    pairs = [pair for pair in combinations(faults, 2) if are_independent(*pair)]
    sample = random.Random(seed).sample(pairs, min(count, len(pairs)))
    ordered = [sorted((one.id, other.id), key=lambda fault: fault in LAST) for one, other in sample]
    return [(first, second) for first, second in ordered]
