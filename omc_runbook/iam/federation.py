"""Which trust policies let in everybody whom an identity provider knows, such as any repository of a code host.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from omc_runbook.iam.conditions import ConditionKeys, keys_in, matches, texts
from omc_runbook.iam.policy import PolicyDocument

WITH_TOKEN, WITH_SAML = "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"
SHARED_ISSUERS = frozenset(
    {
        *("accounts.google.com", "agent.buildkite.com", "app.terraform.io", "gitlab.com", "graph.facebook.com"),
        *("oidc.vercel.com", "token.actions.githubusercontent.com", "www.amazon.com"),
    }
)
"""Issuers of which anybody in the world gets a token; others are a company's own, or have its name in their path."""
_OWN_POOLS = "cognito-identity.amazonaws.com"
"""Its aud is an identity pool of one's own."""
_NO_SUBJECT = frozenset({"aud", "amr", "iss", "oaud"})
"""Claims that say nothing of who has the token."""
_POSITIVE = frozenset({"stringequals", "stringlike", "stringequalsignorecase"})
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotLike": "StringLike",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
}
_SUBJECTS = {"token.actions.githubusercontent.com": "repo:<OWNER>/<REPOSITORY>:*"}
SUBJECT = "<SUBJECT>"
"""What stands for a subject that somebody has to fill in: no token has it."""


@dataclass(frozen=True, kw_only=True)
class OpenFederation:
    """A statement of a trust policy that lets in everybody whom a provider knows."""

    provider: str
    """The provider's ARN, or its name."""
    statement: str
    kind: Literal["oidc", "saml"]

    @property
    def issuer(self) -> str:
        """The issuer of an OpenID Connect provider's tokens, without https://; the name of a SAML provider."""
        return self.provider.partition("-provider/")[2] or self.provider

    @property
    def is_shared(self) -> bool:
        """Whether anybody in the world can have a token of the issuer."""
        return self.issuer in SHARED_ISSUERS

    @property
    def claim(self) -> str:
        """The condition key of the subject."""
        return f"{self.issuer}:sub" if self.kind == "oidc" else "SAML:sub"

    @property
    def subject(self) -> str:
        """What a subject looks like, to be filled in."""
        return _SUBJECTS.get(self.issuer, SUBJECT)


def open_federations(trust: PolicyDocument, controls: Sequence[PolicyDocument]) -> Iterator[OpenFederation]:
    """The statements that let in whomever a provider knows: no Condition of theirs names a subject.

    A Deny of the same policy to all other subjects limits them, too. Where one of the `controls`, resource control
    policies, denies by the subject, that limits every role.
    """
    for label, statement in trust.allow_statements:
        principal = statement.get("Principal")
        for provider in texts(principal.get("Federated", [])) or () if isinstance(principal, Mapping) else ():
            kind: Literal["oidc", "saml"] = "saml" if ":saml-provider/" in provider else "oidc"
            found = OpenFederation(provider=provider, statement=label, kind=kind)
            action = WITH_SAML if kind == "saml" else WITH_TOKEN
            is_limited = (
                _is_limited(found, statement.get("Condition"))
                or _denies_others(found, action, trust)
                or _is_controlled(found, action, controls)
            )
            if _names(statement.get("Action"), action) and not is_limited:
                yield found


def limit_subject(trust: PolicyDocument, found: OpenFederation) -> str:
    """The trust policy's JSON with a Condition on the subject in that statement."""
    statements = []
    for label, statement in trust.statements:
        if label == found.statement:
            conditions = {
                operator: {key: value for key, value in tests.items() if key.lower() != found.claim.lower()}
                for operator, tests in statement.get("Condition", {}).items()
            }
            operator = "StringLike" if "*" in found.subject else "StringEquals"
            conditions[operator] = {**conditions.get(operator, {}), found.claim: found.subject}
            remaining = {operator: tests for operator, tests in conditions.items() if tests}
            statement = {**statement, "Condition": remaining}
        statements.append(statement)
    return trust.with_statements(statements).text


def _is_controlled(found: OpenFederation, action: str, controls: Sequence[PolicyDocument]) -> bool:
    return any(
        isinstance(statement, Mapping) and found.claim.lower() in map(str.lower, keys_in(statement.get("Condition")))
        for policy in controls
        for _, statement in policy.statements_on(action)
    )


def _denies_others(found: OpenFederation, action: str, trust: PolicyDocument) -> bool:
    """Whether a Deny of a trust policy leaves the provider's users only some subjects; it may have no other test."""
    for _, statement in trust.statements_on(action):
        if not isinstance(statement, Mapping) or statement.get("Effect") != "Deny":
            continue
        principal, condition = statement.get("Principal"), statement.get("Condition")
        everybody = principal == "*" or (isinstance(principal, Mapping) and "*" in (texts(principal.get("AWS")) or ()))
        names = texts(principal.get("Federated", [])) if isinstance(principal, Mapping) else None
        if not (everybody or found.provider in (names or ())) or not isinstance(condition, Mapping):
            continue
        # A token without the claim is denied, too, with and without IfExists or ForAllValues.
        positive = {_NEGATED.get(_without_sets(operator), ""): tests for operator, tests in condition.items()}
        has_one_test = all(isinstance(tests, Mapping) and len(tests) == 1 for tests in positive.values())
        if len(condition) == 1 and has_one_test and _is_limited(found, positive):
            return True
    return False


def _without_sets(operator: str) -> str:
    """An operator's name without IfExists and ForAllValues, which change nothing of a claim that a token has."""
    return operator.removesuffix("IfExists").removeprefix("ForAllValues:")


def _names(actions: object, action: str) -> bool:
    return any(matches(each, action, ConditionKeys({}), fold=True) for each in texts(actions) or ())


def _is_limited(found: OpenFederation, condition: Any) -> bool:
    """Whether a Condition lets only some subjects in; one that cannot be read is taken for a limit."""
    if not isinstance(condition, Mapping):
        return condition is not None
    for operator, tests in condition.items():
        base = str(operator).rpartition(":")[2].lower()
        for key, values in tests.items() if isinstance(tests, Mapping) else ():
            issuer, _, claim = str(key).lower().rpartition(":")
            own = "saml" if found.kind == "saml" else found.issuer.lower()
            if issuer != own or base not in _POSITIVE:
                continue
            if claim == "aud" and own == _OWN_POOLS:
                return True
            patterns = texts(values) or ()
            if claim not in _NO_SUBJECT and not any(_is_open(found, base, pattern) for pattern in patterns):
                return True
    return False


def _is_open(found: OpenFederation, operator: str, pattern: str) -> bool:
    """Whether a pattern matches subjects of strangers: of a shared issuer, one whose owner is not spelled out."""
    wildcard = min((pattern.index(each) for each in "*?" if each in pattern), default=-1)
    if operator != "stringlike" or wildcard < 0:
        return False
    fixed_part = pattern[:wildcard].partition(":")[2]
    return not fixed_part or (found.is_shared and "/" not in fixed_part and ":" not in fixed_part)
