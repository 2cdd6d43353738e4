"""Who may do what with the secret: the identities of the account, judged once for all checks and tables of an audit."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from omc_runbook.aws.kms import KmsKey
from omc_runbook.checks.self_grants import SelfGrants
from omc_runbook.checks.task_sessions import TaskSession, sessions_of, targets_of
from omc_runbook.iam.policy import Context, PolicyDocument, PolicyRequest, account_of, apply, evaluate_resource
from omc_runbook.iam.who_can import (
    ASSUME_ROLE,
    ORGANIZATION,
    AccessVerdict,
    Assumption,
    Identity,
    Judge,
    chains,
    combine,
    is_assumed_by,
    trusted,
)
from omc_runbook.model.arn import region_in
from omc_runbook.snapshot.audit import secret_calls
from omc_runbook.snapshot.audit.state import Identities
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

Way = Literal["resource policy", "key grant", "trust policy", "replica"]

SINGLE_SIGN_ON = "/aws-reserved/sso.amazonaws.com/"
"""The path of the roles that IAM Identity Center makes for people."""
_LOGINS = ("accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com", "www.amazon.com")
"""Identity providers of people; other OpenID Connect providers, such as a code host's, are for machines."""
_STRANGER = "000000000000"
"""An account that is nobody's, to ask whether a policy lets everybody in."""
_NO_ORGANIZATION = "o-0000000000"
_ANY_OF = "organization "
"""What the name of an organization begins with, as a principal."""
_IN_NO_ORGANIZATION: Context = {"aws:PrincipalOrgID": (), "aws:PrincipalOrgPaths": ()}
_AS_SERVICE: Context = {"aws:PrincipalAccount": (), "aws:PrincipalIsAWSService": "true", **_IN_NO_ORGANIZATION}
"""The condition keys of a call that an AWS service makes for itself."""
_ACCOUNT_PATTERN = re.compile(r"[0-9*?]*[*?][0-9*?]*")
_ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")


@dataclass(frozen=True, kw_only=True)
class PrincipalAccess:
    """What an identity of the account may do with the secret; of its other verdicts only those that are not "denied".

    `passes` says whether it may run tasks of its own with a role that reads it, `becomes` by which calls it can let
    itself in, where it may not read the secret. `chain` is how it may become a role that reads the secret, that role
    last; empty where it may not, or reads the secret itself. `steps` is how it may become an administrator, or a role
    that can let itself in, that role last; empty where it reads the secret or can let itself in without that.
    `unjudged_chain` and `unjudged_steps` are the same where it cannot be told whether it may take the first of them.
    `sessions` are those that it may begin in tasks that have the secret's values. `by_label` are the verdicts on
    reading versions by other labels than AWSCURRENT, where it may not read by that one.
    """

    identity: Identity
    read: AccessVerdict
    changes: tuple[AccessVerdict, ...] = ()
    passes: AccessVerdict | None = None
    chain: tuple[Assumption, ...] = ()
    becomes: tuple[AccessVerdict, ...] = ()
    steps: tuple[Assumption, ...] = ()
    unjudged_chain: tuple[Assumption, ...] = ()
    unjudged_steps: tuple[Assumption, ...] = ()
    sessions: tuple[TaskSession, ...] = ()
    by_label: Mapping[str, AccessVerdict] = field(default_factory=dict)

    @property
    def reads_somehow(self) -> bool:
        """Whether it may read the secret, itself or as a role that it may assume."""
        return self.read.is_possible or bool(self.chain)

    @property
    def way(self) -> AccessVerdict:
        """The verdict by which it reads the secret: its own, or that on the first role that it assumes."""
        return self._roles[0].verdict if self._roles else self.read

    @property
    def _roles(self) -> tuple[Assumption, ...]:
        """How it becomes a role that reads the secret, as far as its own verdict does not tell more."""
        return self.chain or (self.unjudged_chain if self.read.decision == "denied" else ())

    @property
    def read_by(self) -> str:
        """By which statements it may read the secret, and over which roles."""
        by = statements_of([self.way])
        return f"assuming {roles_of(self._roles)}: {by or self.way.action}" if self._roles else by

    @property
    def lets_itself_in(self) -> bool:
        """Whether it may read the secret only once it has let itself in, itself or as another role."""
        return any(verdict.is_possible for verdict in self.becomes) or bool(self.steps)

    @property
    def reach(self) -> str:
        """How a role gets at the values, if it does (`gets_values`) or is an administrator, after its name."""
        if self.reads_somehow:
            return f"may read the secret by {self.read_by}"
        if self.steps:
            return f"may assume {roles_of(self.steps)}, and so let itself in"
        possible = [verdict for verdict in self.becomes if verdict.is_possible]
        if not possible and self.runs_tasks and self.passes:
            return f"may call {self.passes.action}, and so run a task that has the values"
        if self.is_by_task:
            begins = actions_of([each.verdict for each in self.possible_sessions[:1]])
            return f"may call {begins}, and so read the values inside a task"
        if not possible and self.labels:
            verdicts = [self.by_label[label] for label in self.labels]
            return f"may read {' and '.join(self.labels)} by {statements_of(verdicts)}"
        return f"may {f'call {actions_of(possible)}' if possible else 'do everything'}, and so let itself in"

    @property
    def runs_tasks(self) -> bool:
        """Whether it may run tasks of its own with a role that reads the secret, at least in some way."""
        return self.passes is not None and self.passes.is_possible

    @property
    def is_by_task(self) -> bool:
        """Whether it gets at the values by a task alone: one of its own, or a session in one that has them."""
        by_task = self.runs_tasks or bool(self.possible_sessions)
        return by_task and not (self.reads_somehow or self.lets_itself_in)

    @property
    def gets_values(self) -> bool:
        """Whether it gets at the values in any way: reading, former ones too, letting itself in, or by a task."""
        return self.reads_somehow or self.lets_itself_in or self.is_by_task or bool(self.labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels other than AWSCURRENT by which alone it may read, at least in some way."""
        return tuple(label for label, verdict in self.by_label.items() if verdict.is_possible)

    @property
    def possible_sessions(self) -> tuple[TaskSession, ...]:
        """The sessions in tasks that it may begin, at least in some way."""
        return tuple(each for each in self.sessions if each.verdict.is_possible)

    @property
    def powers(self) -> tuple[AccessVerdict, ...]:
        """What else it may do: the changes, and running tasks with the secret's role."""
        return (*self.changes, *((self.passes,) if self.passes else ()))


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
        if self.denials:
            return f" Whether it is denied by {', '.join(self.denials)} is unknown."
        return " Whether its Condition allows the call is unknown." if self.decision == "unknown" else ""


@dataclass(frozen=True, kw_only=True)
class SecretAccess:
    """Who may do what with the secret. Administrators, who may do everything, are apart."""

    principals: tuple[PrincipalAccess, ...] = ()
    administrators: tuple[PrincipalAccess, ...] = ()
    outsiders: tuple[Outsider, ...] = ()

    @property
    def readers(self) -> tuple[PrincipalAccess, ...]:
        """Those that may read the secret, at least in some way, and are no administrators."""
        return tuple(each for each in self.principals if each.reads_somehow)

    def role_of(self, outsider: Outsider) -> PrincipalAccess | None:
        """What the role may do that an outsider may assume; None where it needs none."""
        return self._by_arn.get(outsider.role)

    @cached_property
    def _by_arn(self) -> Mapping[str, PrincipalAccess]:
        return {each.identity.arn: each for each in (*self.principals, *self.administrators)}

    @property
    def unjudged(self) -> tuple[PrincipalAccess, ...]:
        """Those of which it cannot be told whether they may read the secret."""
        return tuple(
            each
            for each in self.principals
            if (each.read.is_unjudged or each.unjudged_chain) and not each.reads_somehow
        )


def statements_of(verdicts: Sequence[AccessVerdict]) -> str:
    """The statements that decide these verdicts."""
    return ", ".join(dict.fromkeys(label for verdict in verdicts for label in verdict.statements))


def roles_of(chain: Sequence[Assumption]) -> str:
    """The names of the roles that somebody assumes one after the other."""
    return " and then ".join(step.role.name for step in chain)


def unless_forbidden(snapshot: Snapshot) -> str:
    """That the organization's policies were not read, and why.

    Both kinds only deny, and members of an organization usually may not read them.
    """
    limits = (
        "Unless a service control policy (SCP) or resource control policy (RCP) of the organization forbids it: those"
        " were not read."
    )
    return " ".join((limits, *snapshot.unread("organization_policies")))


def conditions_of(snapshot: Snapshot, verdicts: Sequence[AccessVerdict]) -> str:
    """The conditions of these verdicts in sentences, and what they depend on that is not known here."""
    doubts = dict.fromkeys(doubt for verdict in verdicts for doubt in verdict.doubts)
    conditions = dict.fromkeys(sentence for verdict in verdicts for sentence in verdict.conditions)
    others = [doubt for doubt in doubts if doubt != ORGANIZATION]
    depends = [f"Depends on {', '.join(others)}."] if others else []
    return " ".join((*conditions, *depends, *([unless_forbidden(snapshot)] if ORGANIZATION in doubts else [])))


def actions_of(verdicts: Sequence[AccessVerdict]) -> str:
    """The actions of these verdicts, those that cannot be judged marked as unknown."""
    return ", ".join(f"{each.action}{' (unknown)' if each.is_unjudged else ''}" for each in verdicts)


def is_human(identity: Identity) -> bool:
    """Whether people are behind an identity: a user, or a role for which people sign in."""
    if identity.kind == "user" or SINGLE_SIGN_ON in identity.arn:
        return True
    if identity.trust is None:
        return False
    providers = list(trusted(identity.trust, "Federated"))
    if any(":saml-provider/" in provider or provider in _LOGINS for provider in providers):
        return True
    return any(":user/" in name for name in trusted(identity.trust, "AWS"))


def is_machine(identity: Identity) -> bool:
    """Whether only AWS services and OpenID Connect providers of machines may assume a role."""
    if identity.kind == "user" or identity.trust is None or is_human(identity):
        return False
    return not any(trusted(identity.trust, "AWS"))


def is_of_tasks(snapshot: Snapshot, identity: Identity) -> bool:
    """Whether an identity is a role of the consumers' tasks, by which they start or with which they run."""
    return identity.arn in {*snapshot.execution_roles, *task_roles(snapshot)}


def kind_of(identity: Identity) -> str:
    """What an identity is, in a word or two."""
    if identity.kind == "user":
        return "user"
    if identity.is_service_linked:
        return "service-linked role"
    if SINGLE_SIGN_ON in identity.arn:
        return "Identity Center role"
    return "role of people" if is_human(identity) else "role"


def key_of(snapshot: Snapshot) -> KmsKey | None:
    """The secret's customer managed key, as an audit reads it; None where it has none."""
    return snapshot.audit.identities.key if snapshot.audit.identities else None


def task_roles(snapshot: Snapshot) -> frozenset[str]:
    """The ARNs of the roles of the consumers' containers."""
    return frozenset({revision.task_role_arn for revision in snapshot.revisions_in_use} - {""})


@once
def of(snapshot: Snapshot) -> SecretAccess:
    """Who may do what with the snapshot's secret; nobody where the identities or the secret were not read."""
    found = snapshot.audit.identities
    if found is None or snapshot.secret is None:
        return SecretAccess()
    judge = secret_calls.judge_of(snapshot, found)
    reads = secret_calls.read_verdicts(snapshot, found)
    targets = [
        identity
        for identity in found.identities
        if identity.kind == "role" and not identity.is_administrator and reads[identity.arn].is_possible
    ]
    by_arn = {each.arn: each for each in found.identities}
    ways = chains(judge, found.identities, targets)
    open_tasks = targets_of(snapshot, judge, found.identities, {each for each in by_arn if reads[each].is_possible})
    running = (each.arn for each in targets if is_assumed_by(each, secret_calls.ECS_TASKS))
    passed = {arn: by_arn.get(arn) for arn in sorted({*snapshot.execution_roles, *running})}
    principals, administrators = list[PrincipalAccess](), list[PrincipalAccess]()
    grants = SelfGrants(snapshot=snapshot, found=found, judge=judge, reads=reads)
    for identity in found.identities:
        read = reads[identity.arn]
        if identity.is_administrator:
            administrators.append(PrincipalAccess(identity=identity, read=read))
            continue
        chain, unjudged = _by_certainty(() if read.is_possible else ways.get(identity.arn, ()))
        access = PrincipalAccess(
            identity=identity,
            read=read,
            changes=tuple(_changes(snapshot, found, judge, identity)),
            passes=_passes(snapshot, judge, identity, passed),
            chain=chain,
            unjudged_chain=unjudged,
            sessions=tuple(sessions_of(snapshot, judge, identity, open_tasks)),
        )
        if not access.reads_somehow:
            by_label = _by_label(snapshot, found, judge, identity)
            access = replace(access, becomes=tuple(grants.of(identity)), by_label=by_label)
        principals.append(access)
    principals = [each for each in _with_steps(judge, found.identities, principals) if _may_something(each)]
    # Who lets itself in, or gets the values by a task, is a finding of its own.
    becoming = [each.identity for each in principals if each.chain or each.labels]
    becoming += [each.identity for each in administrators]
    other_ways = [each.identity for each in principals if each.gets_values and not (each.reads_somehow or each.labels)]
    entering = (
        *_outsiders(snapshot, found, targets),
        *_entering(becoming, snapshot.account, found.resource_controls, ("account", "everybody")),
        *_entering(other_ways, snapshot.account, found.resource_controls, ("everybody",)),
    )
    return SecretAccess(principals=tuple(principals), administrators=tuple(administrators), outsiders=entering)


def _may_something(each: PrincipalAccess) -> bool:
    is_open = each.read.decision != "denied"
    unjudged = each.unjudged_chain or each.unjudged_steps
    ways = each.powers or each.chain or each.becomes or each.steps or each.sessions or each.by_label
    return bool(is_open or ways or unjudged)


def _by_certainty(way: tuple[Assumption, ...]) -> tuple[tuple[Assumption, ...], tuple[Assumption, ...]]:
    """A chain, and one whose first step cannot be judged: one of the two is empty."""
    return ((), way) if way and way[0].verdict.is_unjudged else (way, ())


def _by_label(snapshot: Snapshot, found: Identities, judge: Judge, identity: Identity) -> dict[str, AccessVerdict]:
    """The verdicts on reading the versions of other labels that are not "denied"."""
    assert snapshot.secret
    verdicts = {
        stage: secret_calls.read_verdict(snapshot, found, judge, identity, stage=stage)
        for stage in secret_calls.other_stages(snapshot.secret)
    }
    return {stage: verdict for stage, verdict in verdicts.items() if verdict.decision != "denied"}


def _with_steps(
    judge: Judge, identities: Sequence[Identity], principals: Sequence[PrincipalAccess]
) -> Iterator[PrincipalAccess]:
    """These principals, with how they may become an administrator or a role that can let itself in."""
    targets = [each for each in identities if each.kind == "role" and each.is_administrator]
    targets += [each.identity for each in principals if each.identity.kind == "role" and each.lets_itself_in]
    ways = chains(judge, identities, targets)
    for each in principals:
        has_need = not (each.reads_somehow or each.lets_itself_in)
        steps, unjudged = _by_certainty(ways.get(each.identity.arn, ()) if has_need else ())
        yield replace(each, steps=steps, unjudged_steps=unjudged)


def _changes(snapshot: Snapshot, found: Identities, judge: Judge, identity: Identity) -> Iterator[AccessVerdict]:
    calls = [
        secret_calls.on_secret(snapshot, action)
        for action in (*secret_calls.WRITES, *secret_calls.DELETES, *secret_calls.POLICIES)
    ]
    if found.key:
        calls += [secret_calls.on_key(found.key, action) for action in secret_calls.KEY_POLICIES]
    for call in calls:
        verdict = judge.verdict(identity, call)
        if verdict.decision != "denied":
            yield verdict


def _passes(
    snapshot: Snapshot, judge: Judge, identity: Identity, roles: Mapping[str, Identity | None]
) -> AccessVerdict | None:
    """Whether an identity may run a task of its own with one of these roles, by ARN; None where it may with none."""
    if not judge.leaves_open(identity, secret_calls.PASS_ROLE):
        return None
    starting = _starts(snapshot, judge, identity)
    ways = []
    for arn, role in roles.items() if starting else ():
        passing = judge.verdict(identity, secret_calls.passing(arn, dict(role.tags) if role else None))
        if starting and passing.decision != "denied":
            ways.append(combine(f"{secret_calls.PASS_ROLE} and {starting.action}", [passing, starting]))
    best = [way for way in ways if way.is_possible] or ways
    if not best:
        return None
    return replace(
        best[0],
        statements=tuple(dict.fromkeys(label for way in best for label in way.statements)),
        conditions=tuple(dict.fromkeys(sentence for way in best for sentence in way.conditions)),
    )


def _starts(snapshot: Snapshot, judge: Judge, identity: Identity) -> AccessVerdict | None:
    """Whether an identity may start a task of its own; a service's needs a revision of its own too."""
    for action in secret_calls.STARTS:
        actions = (action,) if action == secret_calls.RUN_TASK else (secret_calls.REGISTER, action)
        verdicts = [judge.verdict_anywhere(identity, secret_calls.on_ecs(snapshot, each)) for each in actions]
        verdict = combine(" and ".join(actions), verdicts)
        if verdict.decision != "denied":
            return verdict
    return None


def _outsiders(snapshot: Snapshot, found: Identities, readers: list[Identity]) -> Iterator[Outsider]:
    """Who is let in from outside the account: by the secret's policies, the key's, its grants, and trust policies.

    So is who has a replica of the secret.
    """
    assert snapshot.secret
    own = snapshot.account
    for replica in snapshot.secret.replicas:
        # One in another region of this account has no ARN.
        if account := account_of(replica.location):
            yield Outsider(principal=account, kind="account", way="replica", statement=replica.location)
    for policy in snapshot.resource_policies:
        yield from _let_in(policy, GET_SECRET_VALUE, snapshot.secret.arn, own, found.resource_controls)
    key = found.key
    if key and key.policy:
        yield from (
            each
            for each in _let_in(key.policy, DECRYPT, key.arn, own, found.resource_controls)
            if each.kind == "everybody"
        )
    for grant in key.grants if key else ():
        if secret_calls.lets_decrypt(grant, snapshot.secret) and account_of(grant.grantee) != own:
            is_service = grant.grantee.endswith(".amazonaws.com")
            yield Outsider(
                principal=grant.grantee,
                kind="service" if is_service else "account" if account_of(grant.grantee) else "deleted",
                way="key grant",
                statement=f"grant {grant.id}",
            )
    for role in readers:
        yield from _trusted_outside(role, own, found.resource_controls)


def _let_in(
    policy: PolicyDocument,
    action: str,
    resource: str,
    own: str,
    controls: Sequence[PolicyDocument],
    way: Way = "resource policy",
    role: str = "",
) -> Iterator[Outsider]:
    """The principals outside the account to which a resource's or a role's policy allows an action.

    `controls` are the resource control policies, which deny it to some.
    """
    names = dict.fromkeys(name for each in _split(policy, action) for name in trusted(each, "AWS"))
    services = dict.fromkeys(name for each in _split(policy, action) for name in trusted(each, "Service"))
    calls = list[tuple[str, str, str, Context]](_anybody(policy, action, own) if "*" in names else ())
    for name in names:
        account = account_of(name)
        if name != "*" and account not in ("", own):
            calls.append((name, name, account, _as_account(account)))
    calls += [(name, name, "", _AS_SERVICE) for name in services]
    # A key decrypts the secret for Secrets Manager alone: nobody else has what is encrypted.
    through = {"kms:ViaService": f"secretsmanager.{region_in(resource)}.amazonaws.com"}
    found: set[str] = set()
    for principal, name, account, context in calls:
        keys = {**through, **context}
        verdict = evaluate_resource(policy, {name}, action, resource, keys, controls)
        if verdict.decision not in ("allowed", "unknown") or principal in found:
            continue
        found.add(principal)
        # What cannot be decided may be a Deny, also one of the organization's.
        applied = apply([policy], PolicyRequest(action, resource, keys, frozenset({name})))
        letting_in = [each.label for each in applied if each.effect != "Deny" and each.applies is not False]
        is_allowed = verdict.decision == "allowed"
        yield Outsider(
            principal=principal,
            kind="everybody" if principal == "*" else "account" if account else "service",
            way=way,
            statement=", ".join(verdict.statements if is_allowed else letting_in),
            decision="allowed" if is_allowed else "unknown",
            role=role,
            denials=() if is_allowed else tuple(each for each in verdict.statements if each not in letting_in),
        )


def _split(policy: PolicyDocument, action: str) -> Iterator[PolicyDocument]:
    """Each statement on an action as a policy."""
    for label, statement in policy.statements_on(action):
        yield PolicyDocument(label, policy.kind, {"Statement": [statement]})


def _anybody(policy: PolicyDocument, action: str, own: str) -> Iterator[tuple[str, str, str, Context]]:
    """Who may be meant by Principal *: a stranger, and the accounts, roles and organizations that conditions name."""
    stranger = f"arn:aws:iam::{_STRANGER}:role/stranger"
    context: Context = {**_as_account(_STRANGER), "aws:PrincipalArn": stranger}
    yield "*", stranger, _STRANGER, context
    # Many an account is in no organization: StringEqualsIfExists and ForAllValues let it in.
    yield "*", stranger, _STRANGER, {**context, **_IN_NO_ORGANIZATION}
    conditions = [
        statement["Condition"]
        for _, statement in policy.statements_on(action)
        if isinstance(statement, Mapping) and "Condition" in statement
    ]
    for text in dict.fromkeys(text for condition in conditions for text in _texts_in(condition)):
        account, organization = account_of(text), _ORGANIZATION.match(text)
        if _ACCOUNT_PATTERN.fullmatch(text):
            account, text = text, f"arn:aws:iam::{text}:role/stranger"
        if organization:
            context = {**_as_account(_STRANGER), "aws:PrincipalOrgID": organization[0]}
            del context["aws:PrincipalOrgPaths"]
            yield f"{_ANY_OF}{organization[0]}", stranger, _STRANGER, context
        elif account.isdecimal() and len(account) == len(_STRANGER) and account != own:
            arn = text if ":" in text else f"arn:aws:iam::{account}:role/stranger"
            arn = arn.replace("*", "x").replace("?", "x")
            yield text, arn, account, {**_as_account(account), "aws:PrincipalArn": arn}
        elif ("*" in account or "?" in account) and (some := _other_account(account, own)):
            arn = ":".join(("arn", "aws", "iam", "", some, text.split(":", 5)[5])).replace("*", "x").replace("?", "x")
            yield "*", arn, some, {**_as_account(some), "aws:PrincipalArn": arn}


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
    }


def _entering(
    roles: Iterable[Identity], own: str, controls: Sequence[PolicyDocument], kinds: Collection[str]
) -> Iterator[Outsider]:
    """Who of these kinds may assume roles that get at the secret, without being readers of it themselves."""
    for role in roles:
        if role.trust is not None and not role.is_service_linked:
            outside = _let_in(role.trust, ASSUME_ROLE, role.arn, own, controls, "trust policy", role.arn)
            yield from (each for each in outside if each.kind in kinds)


def _trusted_outside(role: Identity, own: str, controls: Sequence[PolicyDocument]) -> Iterator[Outsider]:
    """Who outside the account may assume a role that reads the secret; ECS itself is no news."""
    if role.trust is None or role.is_service_linked:
        return
    yield from _let_in(role.trust, ASSUME_ROLE, role.arn, own, controls, "trust policy", role.arn)
    for name in dict.fromkeys(trusted(role.trust, "Federated")):
        yield Outsider(principal=name, kind="provider", way="trust policy", statement=role.trust.name, role=role.arn)
