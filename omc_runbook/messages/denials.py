"""AWS's sentence for a call that is refused: who may not do what, and which kind of policy is to blame.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from omc_runbook.messages.paste import Paste
from omc_runbook.messages.phrases import Phrase, pull, say

_SENTENCE = "is not authorized to perform:"
_BEFORE, _AFTER = 400, 700
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:(?:sts|iam)::(\d{12}):([a-z-]+)/([\w+=,.@/-]+)", re.IGNORECASE)
_ACTION = re.compile(r"([a-z0-9-]+:[A-Za-z]+?)(?=onresource|because|with|[^A-Za-z]|$)")
_OWNER = re.compile(r"onresource:arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:(\d{12}):", re.IGNORECASE)
_TASK_ID = re.compile(r"[0-9a-f]{32}")
_ENDS = ("user:arn:", "(service", "resourceinitializationerror", "anerroroccurred")

_ROLE = "The role that reads the secret was refused:"
_BOUNDARY = "GetRole: PermissionsBoundary."
_ENDPOINT = "DescribeVpcEndpoints: PolicyDocument of the endpoint for Secrets Manager."
_ADMINISTRATOR = "Ask the organization's administrator, with this text."

_FOREIGN = pull(
    "wrong-account kms-cross-account resource-deny",
    f"{_ROLE} the secret's own policy does not let it in, which it must where the secret is another account's.",
    "Compare the account in valueFrom with the role's; then GetResourcePolicy where the secret is.",
    "no resource-based policy allows",
)

REASONS: tuple[Phrase, ...] = (
    pull(
        "identity-deny",
        f"{_ROLE} a policy of its own denies it, and no grant outweighs that.",
        "The role's policies: a statement with Effect Deny that covers secretsmanager:GetSecretValue.",
        "explicit deny in an identity-based policy",
    ),
    pull(
        "resource-deny",
        f"{_ROLE} the secret's own policy denies it, and no grant to the role outweighs that.",
        "GetResourcePolicy of the secret.",
        "explicit deny in a resource-based policy",
    ),
    pull(
        "endpoint-policy",
        f"{_ROLE} the policy of the VPC endpoint on the way denies it. The role itself may be right.",
        _ENDPOINT,
        "explicit deny in a VPC endpoint policy",
    ),
    pull(
        "endpoint-policy",
        f"{_ROLE} the policy of the VPC endpoint on the way does not allow it. The role itself may be right.",
        _ENDPOINT,
        "no VPC endpoint policy allows",
    ),
    pull(
        "boundary",
        f"{_ROLE} its permissions boundary denies it, whatever its policies grant.",
        _BOUNDARY,
        "explicit deny in a permissions boundary",
    ),
    pull(
        "boundary",
        f"{_ROLE} its permissions boundary leaves it out, whatever its policies grant.",
        _BOUNDARY,
        "no permissions boundary allows",
    ),
    pull(
        "scp",
        f"{_ROLE} a policy of the organization forbids it. Nothing in this account can grant it.",
        _ADMINISTRATOR,
        *("explicit deny in a service control policy", "no service control policy allows"),
        *("explicit deny in a resource control policy", "no resource control policy allows"),
    ),
    _FOREIGN,
    pull(
        "no-permission pattern-suffix",
        f"{_ROLE} no policy of its own allows it. A policy for the secret may be there and not match its ARN, "
        "with the six characters at its end.",
        "The role's policies: Resource of the statement for secretsmanager:GetSecretValue, against the ARN.",
        "no identity-based policy allows",
    ),
    pull(
        "identity-deny resource-deny scp boundary endpoint-policy",
        f"{_ROLE} some policy denies it. The text does not say of which kind it is.",
        "The role's policies and its boundary, then GetResourcePolicy of the secret.",
        "explicit deny",
    ),
    say(
        "",
        "A session policy limits the caller to less than its role may do.",
        "The session policy that was passed when the role was assumed.",
        "no session policy allows",
        group="pull",
        kind="secrets",
    ),
)

_UNSAID = pull(
    "no-permission pattern-suffix identity-deny boundary scp resource-deny endpoint-policy",
    f"{_ROLE} the text does not say by which kind of policy.",
    "The role's policies first, then its boundary, then GetResourcePolicy of the secret.",
)

REFUSED = pull(
    "no-permission pattern-suffix identity-deny boundary scp resource-deny kms-no-permission endpoint-policy",
    "AWS refused a call: a permission is missing. The part of the text that says whose and why is missing too.",
    "DescribeTasks: stoppedReason in full; it names the role, the action and the kind of policy.",
    *("AccessDeniedException", "AccessDenied)"),
    weak=True,
)

_OTHER_ACTIONS: tuple[tuple[str, Phrase], ...] = (
    (
        "kms:",
        pull(
            "kms-no-permission kms-useless-grant kms-cross-account",
            "The task's execution role may not use the key that encrypts the secret. A grant of kms:Decrypt on the "
            "secret's ARN grants nothing.",
            "Compare KmsKeyId of DescribeSecret with the resources on which the role may kms:Decrypt.",
        ),
    ),
    (
        "ssm:",
        pull(
            "bare-name",
            "ECS looked in SSM's Parameter Store, and the role may not. A valueFrom that is no ARN of Secrets "
            "Manager's is taken for a parameter's name: where a secret is meant, no permission is missing.",
            "Look at valueFrom: where a secret is meant, its whole ARN belongs there.",
        ),
    ),
    (
        "ssmmessages:",
        say(
            "exec-iam",
            "The task role lacks the permissions by which ECS Exec talks to Systems Manager.",
            "The task role's policies: the four ssmmessages actions for channels.",
            group="pull",
        ),
    ),
    (
        "ecr:",
        pull(
            "image-pull",
            "The execution role may not pull the container's image. This is not a secrets problem.",
            "The execution role's policies: the ecr actions.",
            kind="image",
        ),
    ),
    (
        "logs:",
        pull(
            "log-group",
            "The execution role may not set up the container's log. This is not a secrets problem.",
            "The execution role's policies: the logs actions.",
            kind="log",
        ),
    ),
    (
        "elasticfilesystem:",
        pull(
            "volume",
            "The task may not mount its file system. This is not a secrets problem.",
            "The task role's policies and the file system's own.",
            kind="volume",
        ),
    ),
)

_CALLER = say(
    "",
    "This refusal is yours: it names the person or program that called, not the tasks' role. That the tasks may not "
    "read the secret does not follow from it.",
    "Have the named action granted to yourself, or ask somebody who has it; what could not be looked at stays unknown.",
    group="pull",
)

_APPLICATION = say(
    "",
    "A running task was refused a call that has nothing to do with its secrets: it is the task role that lacks the "
    "permission. This is not a secrets problem.",
    "The task role's policies: the named action.",
    group="pull",
)


@dataclass(frozen=True)
class Denial:
    """A refusal in a paste: where it stands in `run`, what it means, and the action, role and task id it names."""

    begin: int
    end: int
    phrase: Phrase
    named: tuple[tuple[str, str], ...]


DENIED = frozenset(phrase.checks[0] for phrase in (*REASONS, _UNSAID, REFUSED) if phrase.checks)
"""The likeliest faults where the role that reads the secret was refused."""


def denials(paste: Paste, of_task: bool = False) -> Iterator[Denial]:
    """The refusals in a paste by principal, action and kind of policy; with `of_task` none of them is the caller's."""
    for begin, end in paste.places(_SENTENCE):
        before = paste.lower.rfind("arn:", max(begin - _BEFORE, 0), begin)
        principal = _PRINCIPAL.fullmatch(paste.run, before, begin) if before >= 0 else None
        action = _ACTION.match(paste.run, end) or _ACTION.match(paste.lower, end)
        stop = min([at for mark in _ENDS if (at := paste.lower.find(mark, end, end + _AFTER)) >= 0] or [end + _AFTER])
        reason, last = _reason(paste.lower[:stop], end)
        owner = _OWNER.search(paste.run, end, stop)
        phrase = _judge(principal, action[1] if action else "", reason, owner[1] if owner else "", of_task)
        yield Denial(before if principal else begin, last, phrase, tuple(_names(principal, action)))


def _reason(lower: str, start: int) -> tuple[Phrase, int]:
    for phrase in REASONS:
        for words in phrase.wordings:
            mark = words.lower().replace(" ", "")
            at = lower.find(mark, start)
            if at >= 0:
                return phrase, at + len(mark)
    return _UNSAID, start


def _judge(principal: re.Match[str] | None, action: str, reason: Phrase, owner: str, of_task: bool) -> Phrase:
    if principal and not of_task and not _is_task(principal):
        return _CALLER
    action = action.lower()
    for prefix, phrase in _OTHER_ACTIONS:
        if action.startswith(prefix):
            return phrase
    if action and not action.startswith("secretsmanager:"):
        return _APPLICATION if principal or of_task else _CALLER
    if principal and owner and owner != principal[1] and reason.checks == ("no-permission", "pattern-suffix"):
        return _FOREIGN
    return reason


def _is_task(principal: re.Match[str]) -> bool:
    """Whether a role was taken on by ECS for a task: the session is called by the task's id."""
    return principal[2].lower() == "assumed-role" and bool(_TASK_ID.fullmatch(principal[3].rpartition("/")[2].lower()))


def _names(principal: re.Match[str] | None, action: re.Match[str] | None) -> Iterator[tuple[str, str]]:
    if action:
        yield "action", action[1]
    if principal and principal[2] == "assumed-role":
        role, _, session = principal[3].rpartition("/")
        yield "role", role
        if _is_task(principal):
            yield "task", session
