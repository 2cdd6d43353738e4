"""A kind of message: its wordings, the checks that it points at, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omc_runbook.messages.startline import LinePattern

Speaker = Literal["aws", "program"]
Group = Literal["pull", "exit", ""]
Kind = (
    Literal["", "secrets", "replaced", "memory", "image", "log", "volume"]
    | Literal["file", "capacity", "start", "command", "health-check", "exit", "other"]
)
"""What ECS could not do for a task, or what ended it; "" where the words do not tell."""

NOT_SECRETS = "This is not a secrets problem."
_STALE = "Ignore tasks that stopped before the secret's current version was created."


@dataclass(frozen=True)
class Phrase:
    """Wordings of one kind of message: the checks that it points at, what it means and where to look.

    Group "pull" has the reasons for which a task cannot start, "exit" the ends of containers. A `weak` phrase only
    wraps a reason: it is dropped beside a better one of its group that follows, and in "exit" also beside one before
    it. An `owner` explains what follows in the same message. Only names that the `speaker` writes are taken from around
    a phrase.
    """

    checks: tuple[str, ...]
    meaning: str
    next: str
    wordings: tuple[str, ...]
    group: Group = ""
    weak: bool = False
    owner: bool = False
    speaker: Speaker = "aws"
    kind: Kind = ""
    """What it says of a task in whose reason it stands."""
    lines: tuple[LinePattern, ...] = ()
    """How a line of a start's log that has it is read, for the variable that it is about."""


def pull_failure(
    checks: str,
    meaning: str,
    next: str,
    *wordings: str,
    weak: bool = False,
    owner: bool = False,
    kind: Kind = "secrets",
) -> Phrase:
    """A reason for which ECS cannot start a task; `checks` are ids with spaces between them."""
    return Phrase(tuple(checks.split()), meaning, f"{next} {_STALE}", wordings, "pull", weak, owner, kind=kind)


def aws_message(
    checks: str,
    meaning: str,
    next: str,
    *wordings: str,
    group: Group = "",
    weak: bool = False,
    owner: bool = False,
    kind: Kind = "",
) -> Phrase:
    """What ECS, Secrets Manager or the AWS CLI says otherwise."""
    return Phrase(tuple(checks.split()), meaning, next, wordings, group, weak, owner, kind=kind)


def program_message(
    checks: str, meaning: str, next: str, *wordings: str, lines: tuple[LinePattern, ...] = ()
) -> Phrase:
    """What another program says: the application, compose or Terraform."""
    return Phrase(tuple(checks.split()), meaning, next, wordings, speaker="program", lines=lines)
