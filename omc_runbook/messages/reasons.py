"""What the reason of a stop or an event means, by the same table as a pasted text."""

from __future__ import annotations

import re

from omc_runbook.messages.denials import DENIED
from omc_runbook.messages.events import AT_REST
from omc_runbook.messages.paste import plain
from omc_runbook.messages.phrases import Kind
from omc_runbook.messages.recognition import phrases_in
from omc_runbook.messages.starts import NO_PARAMETER, NOT_PULLED, UNREACHED

NEVER_STARTED: frozenset[Kind] = frozenset({"secrets", "image", "log", "volume", "file", "capacity", "other"})
"""Kinds of tasks whose containers never ran; of a task that ran, the same words mean something else."""

CONTENT = frozenset({"key-missing", "single-quoted", "bom", "not-json", "truncated", "not-an-object"})
"""The likeliest faults of what a secret contains."""

_ROLE = re.compile(r"assumed-role/([\w+=,.@-]+)/")

NO_CONNECTION = "no-egress"
"""The likeliest fault where AWS was not reached; each message that may mean it has it among its checks."""


def kind_of(reason: str, has_run: bool = False) -> Kind:
    """What ECS could not do for a task, or what ended it; "" where the words do not tell."""
    kinds = [phrase.kind for phrase in phrases_in(reason) if phrase.kind]
    kinds = [kind for kind in kinds if not has_run or kind not in NEVER_STARTED]
    # That a container or a task could not be started wraps the reason why: its log, say.
    return next((kind for kind in kinds if kind not in ("start", "other")), next(iter(kinds), ""))


def meaning_of(reason: str) -> str:
    """What the likeliest fault in it means, in a sentence; "" where the words do not tell."""
    return next((phrase.meaning for phrase in phrases_in(reason) if phrase.checks and not phrase.weak), "")


def says(reason: str, check: str) -> bool:
    """Whether it means this fault, alone or with one other that looks the same."""
    return any(phrase.checks[:1] == (check,) and len(phrase.checks) <= 2 for phrase in phrases_in(reason))


def points_at(reason: str, *checks: str) -> bool:
    """Whether one of these faults is the likeliest that it means."""
    return any({*checks}.intersection(phrase.checks[:1]) for phrase in phrases_in(reason))


def mentions(reason: str, name: str) -> bool:
    """Whether it has a name or an ARN, and not only as a piece of a longer one."""
    return bool(name) and bool(re.search(rf"(?<![\w./-])/?{re.escape(name)}(?![\w/-]|\.\w)", reason))


def is_role_refused(reason: str) -> bool:
    """Whether AWS refused the role that reads the secret."""
    return points_at(reason, *DENIED)


def is_of_content(reason: str) -> bool:
    """Whether ECS read a secret and could not use what it contains."""
    return points_at(reason, *CONTENT)


def is_of_network(reason: str) -> bool:
    """Whether Secrets Manager was not reached, or the policy of an endpoint on the way refused the call."""
    return any(NO_CONNECTION in phrase.checks for phrase in phrases_in(reason)) or says(reason, "endpoint-policy")


def is_unreached(reason: str) -> bool:
    """Whether an AWS service was not reached, including ECR and CloudWatch Logs."""
    return plain(reason).has((*UNREACHED, "no such host"))


def lacks_parameter(reason: str) -> bool:
    """Whether there is no such SSM parameter, or no such version of it."""
    return plain(reason).has(NO_PARAMETER)


def is_denied(reason: str) -> bool:
    """Whether any call was refused, whoever made it."""
    return plain(reason).has(("AccessDenied", "not authorized", "denied", "no basic auth credentials", "403"))


def denied_role(reason: str) -> str:
    """The name of the role that was refused something; "" where a message names none."""
    match = _ROLE.search(reason)
    return match[1] if match else ""


def why_not_pulled(reason: str) -> str:
    """Which of `NOT_PULLED` kept an image from being pulled; "" where it may be its name, a permission or the way."""
    return next((why for why, wordings in NOT_PULLED.items() if plain(reason).has(wordings)), "")


def lacks_space(reason: str) -> bool:
    """Whether a disk was full: a task's own, or its instance's, where the image or a container was to be written."""
    return why_not_pulled(reason) == "space"


def is_at_rest(event: str) -> bool:
    """Whether an event says that a service reached a steady state, or that a deployment completed."""
    return plain(event).has(AT_REST)
