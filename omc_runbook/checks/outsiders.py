"""Who outside the account is let in: by the policies of a secret and its key, grants, and trust policies of roles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Literal

from omc_runbook.iam import request_keys
from omc_runbook.iam.conditions import UNKNOWN_END, ConditionKeys, compared_with, keys_in, matches
from omc_runbook.iam.policy import Context, PolicyDocument, PolicyRequest, account_of, apply, evaluate_resource
from omc_runbook.iam.who_can import ASSUME_ROLE, Identity, is_chosen, principals_in
from omc_runbook.snapshot.audit import secret_calls
from omc_runbook.snapshot.audit.state import Identities
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

Way = Literal["resource policy", "key grant", "trust policy", "replica"]

_STRANGER = "000000000000"
"""An account that is nobody's, to ask whether a policy lets everybody in."""
_NO_ID = "AROA00000000000000000"
_NO_ORGANIZATION = "o-0000000000"
_ANY_OF = "organization "
"""What the name of an organization begins with, as a principal."""
_IN_NO_ORGANIZATION: Context = {"aws:PrincipalOrgID": (), "aws:PrincipalOrgPaths": ()}
_AS_SERVICE: Context = {"aws:PrincipalAccount": (), "aws:PrincipalIsAWSService": "true", **_IN_NO_ORGANIZATION}
"""The condition keys of a call that an AWS service makes for itself."""
_ANY_ADDRESSES = ("24.48.0.1", "186.28.0.1", "2a02:8100::1")
"""Public addresses of nobody in particular, of each half of IPv4 and of IPv6: a network that has one is open."""
_LARGEST_OF_ONE = {4: 8, 6: 16}
"""The prefix of the largest networks that one company has, of IPv4 and of IPv6."""
_WITH_MFA: Context = {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "60"}
"""What anybody's call can have."""
_SESSION = re.compile(r"arn:[\w-]+:sts::[^:]*:assumed-role/([^/]+)/")
_NO_KEYS = ConditionKeys({})
_ACCOUNT_PATTERN = re.compile(r"[0-9*?]*[*?][0-9*?]*")
_ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")
_OUR_ORGANIZATION = re.compile(r"(?i)\$\{aws:ResourceOrgID\}")
_ALL_OF_AN_ACCOUNT = re.compile(r"(arn:[^:]*:iam::\d{12})(\*[^:]*)\Z")
"""A pattern of ARNs of one account whose asterisk stands for the colon behind it, too."""
_FEDERATED = "federated-user/"
_OF_A_PRINCIPAL = re.compile(r"arn:[\w-]+:(?:iam::[^:]*:(?:role|user)|sts::[^:]*:federated-user)/")
"""How an ARN begins that aws:PrincipalArn may have."""


@dataclass(frozen=True, kw_only=True)
class Outsider:
    """A principal that is no identity of the account, and what lets it in; `statement` names a policy's statement.

    Of a replica, which another account has and lets read whom it wants, it is the ARN.
    `kind` is "account" (of an organization too), "service" or "provider" (of identities), "everybody", or "deleted" for
    an id that IAM left.
    """

    principal: str
    kind: Literal["account", "service", "provider", "everybody", "deleted"]
    way: Way
    statement: str
    decision: Literal["allowed", "unknown"] = "allowed"
    role: str = ""
    """The ARN of the role that it may assume, where that is the way."""
    denials: tuple[str, ...] = ()
    """The statements of which it is unknown whether they deny it."""
    unknowns: tuple[str, ...] = ()
    """The condition keys and elements that leave open whether a statement lets it in."""
    unknown_denials: tuple[str, ...] = ()
    """Those that leave open whether one of `denials` does."""

    @property
    def chosen(self) -> tuple[str, ...]:
        """The condition keys on which alone it depends, where these depend on how the call is made."""
        return self.unknowns if not self.denials and all(map(is_chosen, self.unknowns)) else ()

    @property
    def is_let_in(self) -> bool:
        """Whether it is let in, at least in some way."""
        return self.decision == "allowed" or bool(self.chosen)

    @property
    def certainty(self) -> int:
        """How certain it is that it is let in: of two calls of one principal, the one with more counts."""
        return (self.decision == "allowed") + self.is_let_in

    @property
    def is_organization(self) -> bool:
        """Whether it is an organization, with whatever account is in it."""
        return self.principal.startswith(_ANY_OF)

    @property
    def statements(self) -> list[str]:
        """The labels of the policy's statements."""
        return self.statement.split(", ")

    @property
    def allows(self) -> str:
        """The statements and their verb."""
        return f"{self.statement} {'allow' if self.statements[1:] else 'allows'}"

    @property
    def doubt(self) -> str:
        """What leaves open whether it is let in, after a blank; "" for nothing."""
        denials, of_denials, keys = map(", ".join, (self.denials, self.unknown_denials, self.unknowns))
        denied = f" Whether it is denied by {denials} is unknown: it depends on {of_denials}." if denials else ""
        if not keys:
            return denied
        if all(map(is_chosen, self.unknowns)):
            return f"{denied} Its Condition depends on how the call is made: {keys}."
        return f"{denied} Whether its Condition allows the call is unknown: it depends on {keys}."


def of_secret(snapshot: Snapshot, found: Identities) -> Iterator[Outsider]:
    """Who is let in from outside the account: by the secret's policies, the key's, its grants, or with a replica."""
    assert snapshot.secret
    own = snapshot.account
    for replica in snapshot.secret.replicas:
        # One in another region of this account has no ARN.
        if account := account_of(replica.location):
            yield Outsider(principal=account, kind="account", way="replica", statement=replica.location)
    # Which version is read, the caller chooses.
    keys = request_keys.of_secret(snapshot.secret.arn, snapshot.secret.tags)
    for policy in snapshot.resource_policies:
        yield from _let_in(policy, GET_SECRET_VALUE, snapshot.secret.arn, keys, snapshot, found)
    key = found.key
    if key and key.policy:
        keys = request_keys.of_key(key.arn, "", snapshot.secret.arn, tags=key.tags, aliases=key.aliases)
        entering = _let_in(key.policy, DECRYPT, key.arn, keys, snapshot, found)
        yield from (each for each in entering if each.kind == "everybody")
    for grant in key.grants if key else ():
        if secret_calls.lets_decrypt(grant, snapshot.secret) and account_of(grant.grantee) != own:
            is_service = grant.grantee.endswith(".amazonaws.com")
            yield Outsider(
                principal=grant.grantee,
                kind="service" if is_service else "account" if account_of(grant.grantee) else "deleted",
                way="key grant",
                statement=f"grant {grant.id}",
            )


def trusted_by(role: Identity, snapshot: Snapshot, found: Identities) -> Iterator[Outsider]:
    """Who outside the account may assume a role; ECS itself is no news."""
    if role.trust is None or role.is_service_linked:
        return
    keys = request_keys.of_assumption(role.arn, role.tags)
    yield from _let_in(role.trust, ASSUME_ROLE, role.arn, keys, snapshot, found, "trust policy", role.arn)
    for name in dict.fromkeys(principals_in(role.trust, "Federated")):
        yield Outsider(principal=name, kind="provider", way="trust policy", statement=role.trust.name, role=role.arn)


def _let_in(
    policy: PolicyDocument,
    action: str,
    resource: str,
    keys_of_resource: request_keys.Keys,
    snapshot: Snapshot,
    identities: Identities,
    way: Way = "resource policy",
    role: str = "",
) -> Iterator[Outsider]:
    """The principals outside the account to which a resource's or a role's policy allows an action.

    The resource control policies deny it to some.
    """
    own = snapshot.account
    names = dict.fromkeys(name for each in _split(policy, action) for name in principals_in(each, "AWS"))
    services = dict.fromkeys(name for each in _split(policy, action) for name in principals_in(each, "Service"))
    organization = identities.organization
    texts = [*dict.fromkeys(_texts_in(_conditions(policy, action)))]
    # Whose organization a variable names is known, where that was read.
    texts = [_OUR_ORGANIZATION.sub(organization or r"\g<0>", each) for each in texts]
    texts = [_ALL_OF_AN_ACCOUNT.sub(r"\1:\2", each) for each in texts]
    calls = list[tuple[str, str, str, Context]](_anybody(texts, own) if "*" in names else ())
    for name in names:
        account = account_of(name)
        if name != "*" and account not in ("", own):
            calls += [(name, name, account, context) for context in _as_named(name, account, texts)]
    conditions = _conditions(policy, action)
    ids = {text.partition(":")[0] for each in conditions for text in compared_with(each, "aws:userid")}
    if ids and ids <= {own, *(each.id for each in identities.identities)} - {""}:
        # Those of our own principals alone: nobody from outside has one.
        with_id = {"aws:userid": _NO_ID}
        calls = [(who, name, account, {**context, **with_id}) for who, name, account, context in calls]
    compared = {key.lower() for each in conditions for key in keys_in(each)}
    addresses = (*_ANY_ADDRESSES, *_addresses_in(texts)) if "aws:sourceip" in compared else ()
    calls += [*_by_choice(calls, addresses, not compared.isdisjoint(map(str.lower, _WITH_MFA)))]
    calls += [(name, name, "", _AS_SERVICE) for name in services]
    of_resource = {} if organization is None else request_keys.of_organization(organization, "Resource")
    of_call = {**keys_of_resource, **of_resource, **request_keys.of_time(snapshot.taken)}
    found = dict[str, Outsider]()
    for principal, name, account, context in calls:
        keys = {**of_call, **context}
        if action == ASSUME_ROLE:
            # Who begins a session tags it.
            keys = {key: values for key, values in keys.items() if key not in secret_calls.CHOSEN_TAGS}
        verdict = evaluate_resource(policy, {name}, action, resource, keys, identities.resource_controls)
        if verdict.decision not in ("allowed", "unknown"):
            continue
        request, is_allowed = PolicyRequest(action, resource, keys, frozenset({name})), verdict.decision == "allowed"
        letting_in = [each for each in apply([policy], request) if each.effect != "Deny" and each.applies is not False]
        # What cannot be decided may be a Deny, also one of the organization's.
        everything = () if is_allowed else apply([policy, *identities.resource_controls], request)
        denying = [each for each in everything if each.effect == "Deny" and each.applies is None]
        # One statement that can be met is enough.
        ways = sorted((each.unknowns for each in letting_in), key=lambda way: [not is_chosen(name) for name in way])
        outsider = Outsider(
            principal=principal,
            kind="everybody" if principal == "*" else "account" if account else "service",
            way=way,
            statement=", ".join(verdict.statements if is_allowed else [each.label for each in letting_in]),
            decision="allowed" if is_allowed else "unknown",
            role=role,
            denials=tuple(dict.fromkeys(each.label for each in denying)),
            unknowns=() if is_allowed else tuple(dict.fromkeys(ways[0])),
            unknown_denials=tuple(dict.fromkeys(name for each in denying for name in each.unknowns)),
        )
        # The most certain of its calls tells.
        if principal not in found or found[principal].certainty < outsider.certainty:
            found[principal] = outsider
    yield from found.values()


def _split(policy: PolicyDocument, action: str) -> Iterator[PolicyDocument]:
    """Each statement on an action as a policy."""
    for label, statement in policy.statements_on(action):
        yield PolicyDocument(label, policy.kind, {"Statement": [statement]})


def _anybody(texts: Sequence[str], own: str) -> Iterator[tuple[str, str, str, Context]]:
    """Who may be meant by Principal *: a stranger, and the accounts, roles and organizations that conditions name."""
    groups = [_principals_of(_STRANGER), *_by_patterns(texts, own)]
    strangers = [(arn, _as_principal(arn)) for group in groups for arn in group]
    if len(groups) > 2:
        strangers += _somebody_like(arn for group in groups for arn in group)
    for arn, context in strangers:
        yield "*", arn, _STRANGER, context
        # Many an account is in no organization: StringEqualsIfExists and ForAllValues let it in.
        yield "*", arn, _STRANGER, {**context, **_IN_NO_ORGANIZATION}
    organizations = [match[0] for match in map(_ORGANIZATION.match, texts) if match]
    for organization in organizations:
        for arn, context in strangers:
            of_it = {**_of_some_organization(context), "aws:PrincipalOrgID": organization}
            yield f"{_ANY_OF}{organization}", arn, _STRANGER, of_it
    for text in texts:
        account = account_of(text)
        if account.isdecimal() and len(account) == len(_STRANGER) and account != own:
            for arn in [_example(text, account)] if ":" in text else _principals_of(account):
                context = _from_anywhere(_as_principal(arn))
                yield text, arn, account, context
                # It may be in none, which a Deny of our own may leave out.
                yield text, arn, account, {**context, **_IN_NO_ORGANIZATION}
                # It may be an account of that organization.
                for organization in organizations:
                    principal = text if text == account else f"{_ANY_OF}{organization}"
                    yield principal, arn, account, _of_some_organization(context)


def _by_patterns(texts: Sequence[str], own: str) -> Iterator[tuple[str, ...]]:
    """The ARNs of principals whom each pattern lets in from accounts that nobody names."""
    for text in texts:
        account = account_of(text)
        if _ACCOUNT_PATTERN.fullmatch(text) and (some := _other_account(text, own)):
            yield _principals_of(some)
        elif _ACCOUNT_PATTERN.fullmatch(account) and (some := _other_account(account, own)):
            yield (_example(text, some),)
        elif not account and "*" in text:
            yield (_example(text, _STRANGER),)


def _addresses_in(texts: Iterable[str]) -> Iterator[str]:
    """An address of each network that is larger than any that one company has."""
    for text in texts:
        with suppress(ValueError):
            network = ip_network(text, strict=False)
            # Special addresses are at the edges of such a network.
            address = network[network.num_addresses // 4]
            if network.prefixlen < _LARGEST_OF_ONE[network.version] and address.is_global:
                yield str(address)


def _by_choice(
    calls: Sequence[tuple[str, str, str, Context]], addresses: Sequence[str], has_mfa: bool
) -> Iterator[tuple[str, str, str, Context]]:
    """The same calls from each of some addresses, and with MFA where a condition asks for it."""
    choices = [{"aws:SourceIp": each} for each in addresses] or [{}] * has_mfa
    for principal, name, account, context in calls:
        # Whether another account asks for MFA, its owner decides.
        mfa = _WITH_MFA if has_mfa and principal == "*" else {}
        yield from ((principal, name, account, {**context, **mfa, **each}) for each in choices)


def _as_named(name: str, account: str, texts: Sequence[str]) -> Iterator[Context]:
    """The condition keys of calls of another account that a policy names, as any of its principals that is named."""
    if _OF_A_PRINCIPAL.match(name):
        # What is named itself is no other principal.
        contexts: list[Context] = [_as_principal(name)]
    else:
        arns = [_example(each, account) for each in texts if _may_name(each, account)]
        if session := _SESSION.match(name):
            # Its role has that name, and whatever path.
            paths = (f"arn:aws:iam::{account}:role", *(each.rpartition("/")[0] for each in arns))
            arns = [f"{path}/{session[1]}" for path in paths]
        others = () if session else _principals_of(account)
        contexts = [*map(_as_principal, (*arns, *others))]
        if not session and len(arns) > 1:
            contexts += [context for _, context in _somebody_like((*arns, *others))]
    contexts = [*map(_from_anywhere, contexts)]
    yield from contexts
    # It may be in no organization, which a Deny of our own may leave out.
    yield from ({**context, **_IN_NO_ORGANIZATION} for context in contexts)
    if any(map(_ORGANIZATION.match, texts)):
        yield from map(_of_some_organization, contexts)


def _principals_of(account: str) -> tuple[str, ...]:
    """The ARNs that aws:PrincipalArn has of some principal of an account, one of each type."""
    kinds = ("iam::{}:role/stranger", "iam::{}:user/stranger", "iam::{}:root", "sts::{}:federated-user/stranger")
    return tuple(f"arn:aws:{kind.format(account)}" for kind in kinds)


def _may_name(pattern: str, account: str) -> bool:
    """Whether a pattern may match ARNs of principals of an account."""
    fields = pattern.split(":", 5)
    return matches(fields[4], account, _NO_KEYS) is not False if len(fields) == 6 else "*" in pattern


def _example(pattern: str, account: str) -> str:
    """The ARN of a principal of an account that a pattern matches, as far as one of this account does.

    An asterisk of StringLike may stand for several fields of an ARN.
    """
    fields = pattern.split(":", 5)
    if len(fields) == 6:
        partition, service = "aws" if "*" in fields[1] else fields[1], "sts" if _FEDERATED in fields[5] else "iam"
        arn = ":".join(("arn", partition, service, "", account, fields[5]))
    else:
        tail = pattern.rpartition("*")[2]
        start = f"arn:aws:iam::{account}:{'user' if 'user/' in tail else 'role'}/"
        common = max(length for length in range(len(tail) + 1) if start.endswith(tail[:length]))
        arn = start + (tail[common:] or "x")
    return arn.replace("*", "x").replace("?", "x")


def _as_principal(arn: str) -> Context:
    """The condition keys of a call of another account's principal, by its ARN."""
    kinds = {"user": "User", "root": "Account", "federated-user": "FederatedUser"}
    kind = kinds.get(arn.split(":", 5)[5].partition("/")[0], "AssumedRole")
    return {**_as_account(account_of(arn)), "aws:PrincipalArn": arn, "aws:PrincipalType": kind}


def _somebody_like(arns: Iterable[str]) -> Iterator[tuple[str, Context]]:
    """An ARN of each account, and the condition keys of a call of any principal of it: one may match several patterns.

    Only the end of its ARN, the type with the name, is unknown.
    """
    for fields, arn in {tuple(arn.split(":", 5)[:5]): arn for arn in arns}.items():
        yield arn, {**_as_account(account_of(arn)), "aws:PrincipalArn": ":".join((*fields, UNKNOWN_END))}


def _of_some_organization(context: Context) -> Context:
    """The condition keys of a call from an account that may be one of whatever organization."""
    return {key: value for key, value in context.items() if key not in _IN_NO_ORGANIZATION}


def _from_anywhere(context: Context) -> Context:
    """The condition keys of a call that may be made from a network of ours or of its own: whose it is, no id tells."""
    return {key: value for key, value in context.items() if key not in ("aws:SourceVpc", "aws:SourceVpce")}


def _conditions(policy: PolicyDocument, action: str) -> list[object]:
    """The Conditions of a policy's statements on an action."""
    return [
        statement["Condition"]
        for _, statement in policy.statements_on(action)
        if isinstance(statement, Mapping) and "Condition" in statement
    ]


def _other_account(pattern: str, own: str) -> str:
    """An account's id that a pattern matches, other than the own one; "" where there is none."""
    for digit in "01":
        before, _, after = pattern.replace("?", digit).partition("*")
        rest = after.replace("*", "")
        account = f"{before}{digit * (len(_STRANGER) - len(before) - len(rest))}{rest}"
        if account != own:
            return account
    return ""


def _texts_in(condition: object) -> Iterator[str]:
    """Every text of a Condition's values."""
    if isinstance(condition, Mapping):
        for member in condition.values():
            yield from _texts_in(member)
    elif isinstance(condition, list):
        for member in condition:
            yield from _texts_in(member)
    elif isinstance(condition, str):
        yield condition


def _as_account(account: str) -> dict[str, str | Sequence[str]]:
    """The condition keys of a call from another account, outside of every organization and network of ours.

    A principal's tags are unknown: whoever owns the account chooses them.
    """
    return {
        "aws:PrincipalAccount": account,
        "aws:PrincipalIsAWSService": "false",
        "aws:PrincipalOrgID": _NO_ORGANIZATION,
        "aws:PrincipalOrgPaths": (f"{_NO_ORGANIZATION}/",),
        "aws:PrincipalType": "AssumedRole",
        "aws:SecureTransport": "true",
        "aws:SourceVpc": (),
        "aws:SourceVpce": (),
        "kms:CallerAccount": account,
        **dict.fromkeys(request_keys.NOT_OF_A_READ, ()),
    }
