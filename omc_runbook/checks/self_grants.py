"""How a principal that may not read the secret can let itself in: by the permissions that IAM's own calls give.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

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
        own = [call for call in _on_itself(identity) if _speaks_of(identity, call.action)]
        # A permissions boundary, a deny and the secret's key hold against what somebody gives themselves.
        if own and self.reads(replace(identity, policies=(*identity.policies, _EVERYTHING))):
            yield from self._first(identity, own)
        for call in self._on_readers(identity):
            verdict = self.judge.verdict(identity, call)
            if verdict.decision != "denied":
                yield verdict
                return

    def _first(self, identity: Identity, calls: Iterable[ResourceCall]) -> Iterator[AccessVerdict]:
        """The verdict on each action, once."""
        seen = set[str]()
        for call in calls:
            verdict = self.judge.verdict(identity, call)
            if verdict.decision != "denied" and call.action not in seen:
                seen.add(call.action)
                yield verdict

    def _on_readers(self, identity: Identity) -> Iterator[ResourceCall]:
        """The calls by which it becomes a role or a user that may read the secret."""
        for reader in self.readers:
            if reader.arn == identity.arn or reader.is_service_linked:
                continue
            actions = (NEW_TRUST,) if reader.kind == "role" else _AS_USER
            for action in actions:
                if _speaks_of(identity, action) and (reader.kind == "user" or self._may_assume(identity, reader)):
                    keys = request_keys.of_assumption(reader.arn, dict(reader.tags))
                    yield ResourceCall(action=action, resource=reader.arn, keys=keys)

    def _may_assume(self, identity: Identity, role: Identity) -> bool:
        """Whether an identity may assume a role whose trust policy names it."""
        statement = {"Effect": "Allow", "Principal": {"AWS": identity.arn}, "Action": ASSUME_ROLE}
        trust = PolicyDocument(f"trust policy of {role.name}", "trust", {"Statement": [statement]})
        keys = request_keys.of_assumption(role.arn, dict(role.tags))
        call = ResourceCall(action=ASSUME_ROLE, resource=role.arn, keys=keys, policies=(trust,), rule="delegates")
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


def _speaks_of(identity: Identity, action: str) -> bool:
    return any(policy.statements_on(action) for policy in identity.policies)
