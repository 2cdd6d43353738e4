"""How a principal that may not read the secret can let itself in: by the permissions that IAM's own calls give.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from omc_runbook.iam import request_keys
from omc_runbook.iam.conditions import texts
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.iam.who_can import ASSUME_ROLE, AccessVerdict, Identity, Judge, ResourceCall

NEW_TRUST = "iam:UpdateAssumeRolePolicy"
_AS_USER = ("iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile")
"""By which somebody signs in as another user."""
_READING = "arn:aws:iam::aws:policy/SecretsManagerReadWrite"
_EVERYTHING = PolicyDocument(
    "what it gives itself",
    "inline",
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
)


@dataclass(frozen=True, kw_only=True)
class SelfGrants:
    """Judges how identities can let themselves in.

    `reads` tells whether an identity may read the secret, as it would be then; `readers` are the roles and users that
    may already.
    """

    judge: Judge
    reads: Callable[[Identity], bool]
    readers: tuple[Identity, ...]

    def of(self, identity: Identity) -> Iterator[AccessVerdict]:
        """The calls by which an identity can let itself in, each as a verdict that is not "denied"."""
        if identity.is_service_linked:
            return
        own = [*self._judged(identity, _on_itself(identity))]
        # A permissions boundary, a deny and the secret's key hold against what somebody gives themselves.
        if own and self.reads(replace(identity, policies=(*identity.policies, _EVERYTHING))):
            yield from own
        for action in (NEW_TRUST, *_AS_USER):
            calls = self._on_readers[action] if _may_name(identity, action) else ()
            verdicts = ((call, self.judge.verdict(identity, call)) for call in calls if call.resource != identity.arn)
            possible = (
                verdict
                for call, verdict in verdicts
                if verdict.decision != "denied" and (action != NEW_TRUST or self._may_assume(identity, call))
            )
            verdict = next(possible, None)
            if verdict:
                yield verdict
                return

    def _judged(self, identity: Identity, calls: Iterable[ResourceCall]) -> Iterator[AccessVerdict]:
        """The verdict on each action that is not denied, once."""
        seen = set[str]()
        for call in calls:
            if call.action in seen or not _may_name(identity, call.action):
                continue
            verdict = self.judge.verdict(identity, call)
            if verdict.decision != "denied":
                seen.add(call.action)
                yield verdict

    @cached_property
    def _on_readers(self) -> Mapping[str, tuple[ResourceCall, ...]]:
        """By action, the calls by which somebody becomes a role or a user that may read the secret."""
        calls: dict[str, list[ResourceCall]] = {action: [] for action in (NEW_TRUST, *_AS_USER)}
        for reader in self.readers:
            keys = request_keys.of_assumption(reader.arn, dict(reader.tags))
            for action in () if reader.is_service_linked else (NEW_TRUST,) if reader.kind == "role" else _AS_USER:
                calls[action].append(ResourceCall(action=action, resource=reader.arn, keys=keys))
        return {action: tuple(found) for action, found in calls.items()}

    def _may_assume(self, identity: Identity, change: ResourceCall) -> bool:
        """Whether an identity may assume the role whose trust policy it changes, where that names it."""
        statement = {"Effect": "Allow", "Principal": {"AWS": identity.arn}, "Action": ASSUME_ROLE}
        trust = PolicyDocument("the trust policy then", "trust", {"Statement": [statement]})
        call = replace(change, action=ASSUME_ROLE, policies=(trust,), rule="delegates")
        return self.judge.verdict(identity, call).decision != "denied"


def administers_iam(identity: Identity) -> bool:
    """Whether a statement without a Condition allows every action of IAM on everything, within no boundary."""
    return identity.boundary is None and any(
        isinstance(statement, Mapping)
        and statement.get("Effect") == "Allow"
        and "iam:*" in (texts(statement.get("Action", [])) or ())
        and "*" in (texts(statement.get("Resource", [])) or ())
        and "Condition" not in statement
        for policy in identity.policies
        for _, statement in policy.statements
    )


def _on_itself(identity: Identity) -> Iterator[ResourceCall]:
    """The calls that give an identity, its group or its managed policy more permissions."""
    kind = "Role" if identity.kind == "role" else "User"
    boundary = identity.boundary.origin if identity.boundary else ()
    keys = {
        **request_keys.of_assumption(identity.arn, dict(identity.tags)),
        "iam:PermissionsBoundary": boundary,
        "iam:PolicyARN": _READING,
    }
    for action in (f"iam:Put{kind}Policy", f"iam:Attach{kind}Policy"):
        yield ResourceCall(action=action, resource=identity.arn, keys=keys)
    origins = dict.fromkeys(policy.origin for policy in identity.policies)
    for origin in origins:
        if ":group/" in origin:
            for action in ("iam:PutGroupPolicy", "iam:AttachGroupPolicy"):
                yield ResourceCall(action=action, resource=origin, keys={"iam:PolicyARN": _READING})
        elif f"::{identity.account}:policy/" in origin:
            yield ResourceCall(action="iam:CreatePolicyVersion", resource=origin)


def _may_name(identity: Identity, action: str) -> bool:
    """Whether a statement allows an action on what may be a resource of IAM; most of an account's do not."""
    return any(
        not isinstance(statement, Mapping)
        or (statement.get("Effect") == "Allow" and ("Resource" not in statement or _names_iam(statement["Resource"])))
        for policy in identity.policies
        for _, statement in policy.statements_on(action)
    )


def _names_iam(resources: object) -> bool:
    """Whether a pattern's service is iam, or is not spelled out."""
    beginnings = (pattern.split(":")[:3] for pattern in texts(resources) or ("*",))
    return any(each[2:] == ["iam"] or any(sign in part for part in each for sign in "*?$") for each in beginnings)
