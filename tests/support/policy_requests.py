"""Random requests for a secret's value, with every kind of policy, in the form that iam-simulate takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.iam.who_can import Identity, Judge, ResourceCall

ACCOUNT, OTHER = "123456789012", "210987654321"
ACTION = "secretsmanager:GetSecretValue"
SECRET = f"arn:aws:secretsmanager:ap-southeast-2:{ACCOUNT}:secret:ohmycoins-staging-app-secrets-AbCdEf"
ROLE, SESSION = f"arn:aws:iam::{ACCOUNT}:role/app/backend", f"arn:aws:sts::{ACCOUNT}:assumed-role/backend/task-1"
USER = f"arn:aws:iam::{ACCOUNT}:user/ops/alice"
_NAME = SECRET.removesuffix("AbCdEf")
_BY_TAG = "arn:aws:secretsmanager:*:*:secret:ohmycoins-${aws:PrincipalTag/env}-*"
_ACTIONS = (
    *(ACTION, ACTION, "*", "secretsmanager:*", "secretsmanager:Get*", "secretsmanager:*Value", "kms:Decrypt", "s3:*"),
    *("secretsmanager:getsecretvalue", "SecretsManager:GetSecretV?lue", "secretsmanager:PutSecretValue"),
)
_RESOURCES = (
    *(SECRET, SECRET, "*", "*", f"{_NAME}*", f"{_NAME}??????", _NAME.removesuffix("-"), _BY_TAG),
    *(f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:*", f"arn:aws:secretsmanager:*:{OTHER}:secret:*", "arn:aws:s3:::b/*"),
)
_PRINCIPALS = (
    *("*", {"AWS": "*"}, {"AWS": ACCOUNT}, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {"AWS": [ROLE, USER]}),
    *({"AWS": ROLE}, {"AWS": USER}, {"AWS": SESSION}, {"AWS": f"arn:aws:iam::{OTHER}:root"}),
    *({"Service": "ecs-tasks.amazonaws.com"}, {"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}),
)
_CONTROLLED = (ACTION, "secretsmanager:*", "secretsmanager:Get*", "kms:Decrypt", "sts:*", "s3:*")
_OPERATORS = {
    "string": ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringNotEqualsIgnoreCase"),
    "arn": ("ArnLike", "ArnEquals", "ArnNotLike", "ArnNotEquals", "StringLike"),
    "address": ("IpAddress", "NotIpAddress"),
    "boolean": ("Bool",),
    "number": ("NumericLessThan", "NumericGreaterThanEquals", "NumericEquals"),
    "date": ("DateLessThan", "DateGreaterThan", "DateGreaterThanEquals"),
    "list": ("ForAllValues:StringEquals", "ForAnyValue:StringEquals", "ForAllValues:StringLike"),
}
CONDITIONS = {
    "aws:SourceIp": ("address", ("10.0.0.0/8", "203.0.113.7/32", "203.0.113.7", "2001:db8::/32")),
    "aws:RequestedRegion": ("string", ("ap-southeast-2", "us-east-1", "ap-*")),
    "aws:PrincipalTag/env": ("string", ("staging", "production", "stag*", "Staging")),
    "aws:PrincipalTag/team": ("string", ("core", "")),
    "aws:ResourceTag/Environment": ("string", ("staging", "production", "${aws:PrincipalTag/env}")),
    "secretsmanager:VersionStage": ("string", ("AWSCURRENT", "AWSPREVIOUS")),
    "secretsmanager:SecretId": ("arn", (SECRET, f"{_NAME}*", "arn:aws:secretsmanager:*:*:secret:*")),
    "aws:PrincipalArn": ("arn", (ROLE, USER, f"arn:aws:iam::{ACCOUNT}:role/*", "arn:aws:iam::*:user/ops/*")),
    "aws:PrincipalOrgID": ("string", ("o-abcdefghij", "o-zzzzzzzzzz")),
    "aws:SecureTransport": ("boolean", ("true", "false")),
    "aws:MultiFactorAuthPresent": ("boolean", ("true", "false")),
    "aws:MultiFactorAuthAge": ("number", ("3600", "100")),
    "aws:CurrentTime": ("date", ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")),
    "aws:username": ("string", ("alice", "bob", "${aws:username}")),
    "aws:SourceVpce": ("string", ("vpce-1", "vpce-2")),
    "aws:ViaAWSService": ("boolean", ("true", "false")),
    "aws:TagKeys": ("list", ("Environment", "Owner")),
    "aws:PrincipalAccount": ("string", (ACCOUNT, OTHER)),
    "aws:userid": ("string", ("AIDAEXAMPLE", "*:task-1")),
}
"""The condition keys that policies test: their kind and patterns."""


class PolicyRequests:
    """Makes requests; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def make(self) -> dict[str, Any]:
        """A request with its policies."""
        principal = self._random.choice((SESSION, USER))
        secret = {"resource": SECRET, "accountId": ACCOUNT}
        boundary = [{"name": "boundary", "policy": self._policy()}] if self._chance(0.35) else []
        simulation = {
            "request": {
                "principal": principal,
                "action": ACTION,
                "resource": secret,
                "contextVariables": self._context(principal),
            },
            "identityPolicies": [{"name": f"identity-{n}", "policy": self._policy()} for n in range(self._count(0, 2))],
            "serviceControlPolicies": self._organization() if self._chance(0.35) else [],
            "resourceControlPolicies": [],
        }
        if self._chance(0.5):
            simulation["resourcePolicy"] = self._policy(has_principal=True)
        return {**simulation, "permissionBoundaryPolicies": boundary} if boundary else simulation

    def _context(self, principal: str) -> dict[str, str]:
        known = {
            "aws:RequestedRegion": "ap-southeast-2",
            "aws:CurrentTime": "2026-07-01T00:00:00Z",
            "aws:PrincipalAccount": ACCOUNT,
            "aws:ViaAWSService": "false",
            "secretsmanager:SecretId": SECRET,
            "aws:SourceIp": self._random.choice(("10.1.2.3", "203.0.113.7")),
            "aws:SecureTransport": self._random.choice(("true", "true", "false")),
            **self._perhaps("aws:PrincipalTag/env", "staging", "production"),
            **self._perhaps("aws:ResourceTag/Environment", "staging", "production"),
            **self._perhaps("secretsmanager:VersionStage", "AWSCURRENT"),
            **self._perhaps("aws:PrincipalOrgID", "o-abcdefghij"),
            **self._perhaps("aws:SourceVpce", "vpce-1"),
        }
        if principal == USER:
            own = {"aws:PrincipalArn": USER, "aws:username": "alice", "aws:userid": "AIDAEXAMPLE"}
            return {**known, **own, **self._perhaps("aws:MultiFactorAuthPresent", "true", "false")}
        return {**known, "aws:PrincipalArn": ROLE, "aws:userid": "AROAEXAMPLE:task-1"}

    def _organization(self) -> list[dict[str, Any]]:
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        policies = [everything if self._chance(0.6) else self._policy() for _ in range(self._count(1, 2))]
        named = [{"name": f"scp-{number}", "policy": policy} for number, policy in enumerate(policies)]
        return [{"orgIdentifier": "ou-1", "policies": named}]

    def _policy(self, has_principal: bool = False) -> dict[str, Any]:
        statements = [self._statement(has_principal) for _ in range(self._count(1, 3))]
        return {"Version": "2012-10-17", "Statement": statements}

    def _statement(self, has_principal: bool) -> dict[str, Any]:
        # NotPrincipal is left out: iam-simulate lets a listed account exempt everybody in it, which AWS does not.
        return {
            "Effect": "Deny" if self._chance(0.25) else "Allow",
            "NotAction" if self._chance(0.12) else "Action": self._some(_ACTIONS),
            "NotResource" if self._chance(0.1) else "Resource": self._some(_RESOURCES),
            **({"Principal": self._principal()} if has_principal else {}),
            **({"Condition": self._condition()} if self._chance(0.4) else {}),
        }

    def _principal(self) -> Any:
        return self._random.choice(_PRINCIPALS)

    def _condition(self) -> dict[str, Any]:
        block: dict[str, Any] = {}
        for _ in range(1 + self._chance(0.25)):
            name = self._random.choice([*CONDITIONS])
            kind, patterns = CONDITIONS[name]
            operator, values = self._random.choice(_OPERATORS[kind]), self._some(patterns, 2)
            if self._chance(0.07):
                operator, values = "Null", self._random.choice(("true", "false"))
            elif self._chance(0.2):
                operator += "IfExists"
            block.setdefault(operator, {})[name if "/" in name or self._chance(0.7) else name.lower()] = values
        return block

    def _some(self, choices: tuple[str, ...], most: int = 3) -> str | list[str]:
        chosen = [self._random.choice(choices) for _ in range(self._count(1, most))]
        return chosen[0] if len(chosen) == 1 and self._chance(0.5) else chosen

    def _perhaps(self, name: str, *values: str) -> dict[str, str]:
        return {name: self._random.choice(values)} if self._chance(0.6) else {}

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _count(self, least: int, most: int) -> int:
        return self._random.randint(least, most)


@dataclass(frozen=True)
class PolicyAccount:
    """An account of users and roles with a secret, and the requests for it as iam-simulate takes them, one each."""

    identities: tuple[Identity, ...]
    call: ResourceCall
    judge: Judge
    requests: tuple[dict[str, Any], ...]


class PolicyAccounts(PolicyRequests):
    """Makes accounts: managed policies and groups are shared, inline policies are each identity's own."""

    _arns: tuple[str, ...] = ()

    def make_account(self, size: int) -> PolicyAccount:
        """An account of so many users and roles, a tenth of them users."""
        kinds: list[Literal["user", "role"]] = ["user" if self._chance(0.1) else "role" for _ in range(size)]
        self._arns = tuple(
            f"arn:aws:iam::{ACCOUNT}:{kind}/{self._random.choice(('', 'app/', 'ops/'))}{kind}-{number}"
            for number, kind in enumerate(kinds)
        )
        managed = [PolicyDocument(f"managed-{number}", "managed", self._policy()) for number in range(40)]
        groups = [PolicyDocument(f"group-{number}", "inline", self._policy()) for number in range(self._count(3, 6))]
        boundaries = [PolicyDocument(f"boundary-{number}", "boundary", self._policy()) for number in range(12)]
        resource = PolicyDocument("resource", "resource", self._policy(has_principal=True))
        levels = tuple(
            tuple(PolicyDocument(each["name"], "scp", each["policy"]) for each in level["policies"])
            for level in (self._organization() + self._organization() if self._chance(0.7) else [])
        )
        identities = []
        for arn, kind in zip(self._arns, kinds, strict=True):
            shared = self._random.sample(managed, self._count(0, 2))
            in_groups = self._random.sample(groups, self._count(0, 2)) if kind == "user" else []
            own = [PolicyDocument(f"inline-{number}", "inline", self._policy()) for number in range(self._count(0, 2))]
            identities.append(
                Identity(
                    arn=arn,
                    kind=kind,
                    id=f"{'AIDA' if kind == 'user' else 'AROA'}{len(identities):06}",
                    tags=self._perhaps("env", "staging", "production"),
                    policies=(*own, *in_groups, *shared),
                    boundary=self._random.choice(boundaries) if self._chance(0.3) else None,
                    session="task-1" if kind == "role" else "",
                )
            )
        shared_keys = {name: value for name, value in self._context(SESSION).items() if not _is_callers(name)}
        absent = {name: () for name in CONDITIONS if not _is_callers(name)} | {"aws:ResourceTag/*": ()}
        call = ResourceCall(action=ACTION, resource=SECRET, keys={**absent, **shared_keys}, policies=(resource,))
        controls = [PolicyDocument(f"rcp-{number}", "rcp", self._control()) for number in range(self._count(0, 2))]
        judge = Judge(levels=levels, resource_controls=tuple(controls))
        requests = tuple(_as_request(identity, shared_keys, resource, levels, controls) for identity in identities)
        return PolicyAccount(tuple(identities), call, judge, requests)

    def _control(self) -> dict[str, Any]:
        """A resource control policy: it denies some of the secret's calls to everybody on a condition."""
        named = {"Action": self._some(_CONTROLLED), "Resource": self._some(_RESOURCES)}
        denial = {"Effect": "Deny", "Principal": "*", **named, "Condition": self._condition()}
        return {"Version": "2012-10-17", "Statement": [denial]}

    def _principal(self) -> Any:
        if not self._arns or self._chance(0.4):
            return super()._principal()
        arn = self._random.choice(self._arns)
        is_session = ":role/" in arn and self._chance(0.3)
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{arn.rpartition('/')[2]}/task-1"
        return {"AWS": session if is_session else arn}


def _is_callers(name: str) -> bool:
    return (name.startswith("aws:Principal") and name != "aws:PrincipalOrgID") or name in ("aws:userid", "aws:username")


def _as_request(
    identity: Identity,
    keys: dict[str, str],
    resource: PolicyDocument,
    levels: tuple[tuple[PolicyDocument, ...], ...],
    controls: list[PolicyDocument],
) -> dict[str, Any]:
    """The request for a secret by one identity, as iam-simulate takes it."""

    def listed(policies: Iterable[PolicyDocument]) -> list[dict[str, Any]]:
        return [{"name": policy.name, "policy": policy.document} for policy in policies]

    own = {
        "aws:PrincipalArn": identity.arn,
        "aws:PrincipalAccount": ACCOUNT,
        "aws:userid": f"{identity.id}:{identity.session}" if identity.session else identity.id,
        **({"aws:username": identity.name} if identity.kind == "user" else {}),
        **{f"aws:PrincipalTag/{name}": value for name, value in identity.tags.items()},
    }
    return {
        "request": {
            "principal": identity.session_arn if identity.session else identity.arn,
            "action": ACTION,
            "resource": {"resource": SECRET, "accountId": ACCOUNT},
            "contextVariables": {**keys, **own},
        },
        "identityPolicies": listed(identity.policies),
        "serviceControlPolicies": [
            {"orgIdentifier": f"ou-{number}", "policies": listed(level)} for number, level in enumerate(levels)
        ],
        "resourceControlPolicies": [{"orgIdentifier": "r-1", "policies": listed(controls)}] if controls else [],
        "resourcePolicy": resource.document,
        **({"permissionBoundaryPolicies": listed([identity.boundary])} if identity.boundary else {}),
    }
