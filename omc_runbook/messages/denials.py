"""AWS's message for a refused call: who may not do what, and which kind of policy refuses it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from omc_runbook.messages.paste import Paste
from omc_runbook.messages.phrases import Phrase, aws_message, pull_failure

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

_FOREIGN = pull_failure(
    "wrong-account kms-cross-account resource-deny",
    f"{_ROLE} the secret's resource policy does not allow it, as it must for a secret in another account.",
    "Compare the account in valueFrom with the role's; then GetResourcePolicy where the secret is.",
    "no resource-based policy allows",
)

REASONS: tuple[Phrase, ...] = (
    pull_failure(
        "identity-deny",
        f"{_ROLE} one of its own policies explicitly denies it, and no Allow overrides that.",
        "The role's policies: a statement with Effect Deny that covers secretsmanager:GetSecretValue.",
        "explicit deny in an identity-based policy",
    ),
    pull_failure(
        "resource-deny",
        f"{_ROLE} the secret's resource policy explicitly denies it, and no Allow overrides that.",
        "GetResourcePolicy of the secret.",
        "explicit deny in a resource-based policy",
    ),
    pull_failure(
        "endpoint-policy",
        f"{_ROLE} the policy of the VPC endpoint on the way denies it. The role itself may be right.",
        _ENDPOINT,
        "explicit deny in a VPC endpoint policy",
    ),
    pull_failure(
        "endpoint-policy",
        f"{_ROLE} the policy of the VPC endpoint on the way does not allow it. The role itself may be right.",
        _ENDPOINT,
        "no VPC endpoint policy allows",
    ),
    pull_failure(
        "boundary",
        f"{_ROLE} its permissions boundary denies it, whatever its policies grant.",
        _BOUNDARY,
        "explicit deny in a permissions boundary",
    ),
    pull_failure(
        "boundary",
        f"{_ROLE} its permissions boundary does not allow it, whatever its policies grant.",
        _BOUNDARY,
        "no permissions boundary allows",
    ),
    pull_failure(
        "scp",
        f"{_ROLE} a policy of the organization forbids it. Nothing in this account can grant it.",
        _ADMINISTRATOR,
        *("explicit deny in a service control policy", "no service control policy allows"),
        *("explicit deny in a resource control policy", "no resource control policy allows"),
    ),
    _FOREIGN,
    pull_failure(
        "no-permission pattern-suffix",
        f"{_ROLE} none of its own policies allows it.",
        "The role's policies: Resource of the statement for secretsmanager:GetSecretValue, against the ARN with the "
        "six characters at its end.",
        "no identity-based policy allows",
    ),
    aws_message(
        "",
        "A session policy limits the caller to less than its role may do.",
        "The session policy that was passed when the role was assumed.",
        *("no session policy allows", "explicit deny in a session policy"),
        group="pull",
        kind="secrets",
    ),
    pull_failure(
        "identity-deny resource-deny scp boundary endpoint-policy",
        f"{_ROLE} a policy explicitly denies it. The text does not say of which kind.",
        "The role's policies and its boundary, then GetResourcePolicy of the secret.",
        "explicit deny",
    ),
)

_NO_REASON = pull_failure(
    "no-permission pattern-suffix identity-deny boundary scp resource-deny endpoint-policy",
    f"{_ROLE} the text does not say by which kind of policy.",
    "The role's policies first, then its boundary, then GetResourcePolicy of the secret.",
)

REFUSED = pull_failure(
    "no-permission pattern-suffix identity-deny boundary scp resource-deny kms-no-permission endpoint-policy",
    "AWS refused a call: a permission is missing. The text was cut before it says whose, and why.",
    "DescribeTasks: stoppedReason in full; it names the role, the action and the kind of policy.",
    *("AccessDeniedException", "not authorized to perform: secretsmanager:"),
    weak=True,
)

_OTHER_ACTIONS: Mapping[str, Phrase] = {
    "kms:": pull_failure(
        "kms-no-permission kms-useless-grant kms-cross-account",
        "The task's execution role may not use the key that encrypts the secret. kms:Decrypt on the secret's ARN "
        "grants nothing.",
        "Compare KmsKeyId of DescribeSecret with the resources on which the role may kms:Decrypt.",
    ),
    "ssm:": pull_failure(
        "bare-name",
        "ECS looked in SSM Parameter Store, which the role may not read. ECS treats a valueFrom that is not a "
        "Secrets Manager ARN as a parameter's name: if a secret is meant, no permission is missing.",
        "If a secret is meant, put its whole ARN into valueFrom.",
    ),
    "ssmmessages:": aws_message(
        "exec-iam",
        "The task role lacks the ssmmessages permissions of ECS Exec.",
        "The task role's policies: the four ssmmessages actions for channels.",
        group="pull",
    ),
    "ecr:": pull_failure(
        "image-pull",
        "The execution role may not pull the container's image. This is not a secrets problem.",
        "The execution role's policies: the ecr actions.",
        kind="image",
    ),
    "logs:": pull_failure(
        "log-group",
        "The execution role may not set up the container's log. This is not a secrets problem.",
        "The execution role's policies: the logs actions.",
        kind="log",
    ),
    "elasticfilesystem:": pull_failure(
        "volume",
        "The task may not mount its file system. This is not a secrets problem.",
        "The task role's policies and the file system's own.",
        kind="volume",
    ),
}

_OF_EXEC = "logs:describeloggroups"
"""What the agent of ECS Exec calls as the task role before a session; a container's log needs it for nothing."""

_CALLER = aws_message(
    "",
    "This refusal is yours: the text names a person or a program, not the tasks' role. The tasks may still be able to "
    "read the secret.",
    "Get permission for the named action, or ask somebody who has it; what you cannot read stays unknown.",
    group="pull",
)

_APPLICATION = aws_message(
    "",
    "AWS refused a running task's own call: its task role lacks the permission. This is not a secrets problem.",
    "The task role's policies: the named action.",
    group="pull",
)


@dataclass(frozen=True)
class Denial:
    """A refusal in a pasted text: its range in `run`, what it means, and the action, role and task id that it names."""

    begin: int
    end: int
    phrase: Phrase
    names: tuple[tuple[str, str], ...]


DENIED = frozenset(phrase.checks[0] for phrase in (*REASONS, _NO_REASON, REFUSED) if phrase.checks)
"""The likeliest faults where the role that reads the secret was refused."""


def denials(paste: Paste, of_task: bool = False) -> Iterator[Denial]:
    """The refusals in a pasted text; with `of_task` none of them is the caller's."""
    for begin, end in paste.find(_SENTENCE):
        before = paste.lower.rfind("arn:", max(begin - _BEFORE, 0), begin)
        principal = _PRINCIPAL.fullmatch(paste.run, before, begin) if before >= 0 else None
        action = _ACTION.match(paste.run, end) or _ACTION.match(paste.lower, end)
        limit = min([at for mark in _ENDS if (at := paste.lower.find(mark, end, end + _AFTER)) >= 0] or [end + _AFTER])
        reason, last = _reason(paste.lower[:limit], end)
        owner = _OWNER.search(paste.run, end, limit)
        phrase = _judge(principal, action[1] if action else "", reason, owner[1] if owner else "", of_task)
        yield Denial(before if principal else begin, last, phrase, tuple(_names(principal, action)))


def _reason(lower: str, start: int) -> tuple[Phrase, int]:
    for phrase in REASONS:
        for words in phrase.wordings:
            mark = words.lower().replace(" ", "")
            at = lower.find(mark, start)
            if at >= 0:
                return phrase, at + len(mark)
    return _NO_REASON, start


def _judge(principal: re.Match[str] | None, action: str, reason: Phrase, owner: str, of_task: bool) -> Phrase:
    if principal and not of_task and not _is_task(principal):
        return _CALLER
    action = action.lower()
    for prefix, phrase in _OTHER_ACTIONS.items():
        if action.startswith(prefix) and action != _OF_EXEC:
            return phrase
    if action and not action.startswith("secretsmanager:"):
        return _APPLICATION if principal or of_task else _CALLER
    if principal and owner and owner != principal[1] and reason.checks == ("no-permission", "pattern-suffix"):
        return _FOREIGN
    return reason


def _is_task(principal: re.Match[str]) -> bool:
    """Whether ECS assumed a role for a task: then the session's name is the task's id."""
    return principal[2].lower() == "assumed-role" and bool(_TASK_ID.fullmatch(principal[3].rpartition("/")[2].lower()))


def _names(principal: re.Match[str] | None, action: re.Match[str] | None) -> Iterator[tuple[str, str]]:
    if action:
        yield "action", action[1]
    if principal and principal[2] == "assumed-role":
        role, _, session = principal[3].rpartition("/")
        yield "role", role
        if _is_task(principal):
            yield "task", session
