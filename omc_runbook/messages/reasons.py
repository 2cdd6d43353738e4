"""What the reason of a stop or an event says, by the same table as a pasted text."""

from __future__ import annotations

from omc_runbook.messages.denials import DENIED
from omc_runbook.messages.events import AT_REST
from omc_runbook.messages.paste import plain
from omc_runbook.messages.phrases import Kind
from omc_runbook.messages.recognition import phrases_in
from omc_runbook.messages.starts import UNREACHED

NEVER_STARTED: frozenset[Kind] = frozenset({"secrets", "image", "log", "volume", "capacity"})
"""Kinds of tasks whose containers never ran: in the reason of one that did, the same words mean something else."""

NO_CONNECTION = "no-egress"
"""The likeliest fault where AWS was not reached; each message that may tell of it names it among others."""


def kind_of(reason: str, has_run: bool = False) -> Kind:
    """What ECS could not do for a task, or what ended it; "" where the words do not tell."""
    kinds = [phrase.kind for phrase in phrases_in(reason) if phrase.kind]
    kinds = [kind for kind in kinds if not has_run or kind not in NEVER_STARTED]
    # That a container could not be started wraps the reason why: its log, say.
    return next((kind for kind in kinds if kind != "start"), next(iter(kinds), ""))


def says(reason: str, check: str) -> bool:
    """Whether it says that it is this fault, or this one and one other that shows the same."""
    return any(phrase.checks[:1] == (check,) and len(phrase.checks) <= 2 for phrase in phrases_in(reason))


def is_refusal(reason: str) -> bool:
    """Whether it says that the role which reads the secret was refused."""
    return any(DENIED.intersection(phrase.checks[:1]) for phrase in phrases_in(reason))


def is_of_network(reason: str) -> bool:
    """Whether it says that Secrets Manager was not reached, or that an endpoint on the way refused."""
    return any(NO_CONNECTION in phrase.checks for phrase in phrases_in(reason)) or says(reason, "endpoint-policy")


def is_unreached(reason: str) -> bool:
    """Whether it says that a service of AWS's was not reached, the registry of images and the logs among them."""
    return plain(reason).has((*UNREACHED, "no such host"))


def is_denied(reason: str) -> bool:
    """Whether it says that something was not allowed, to whomever."""
    return plain(reason).has(("AccessDenied", "not authorized", "denied", "no basic auth credentials", "403"))


def is_at_rest(event: str) -> bool:
    """Whether an event says that a service has the tasks that it wants, or that a deployment came to its end."""
    return plain(event).has(AT_REST)
