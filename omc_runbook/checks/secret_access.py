"""Who may do what with the secret: the identities of the account, judged once for all checks and tables of an audit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import MAXYEAR, datetime, timedelta
from functools import cached_property

from omc_runbook.aws.kms import KmsKey
from omc_runbook.checks import outsiders
from omc_runbook.checks.outsiders import Outsider
from omc_runbook.checks.self_grants import SelfGrants
from omc_runbook.checks.task_sessions import TaskSession, sessions_of, targets_of
from omc_runbook.iam.conditions import begins_in
from omc_runbook.iam.policy import PolicyDocument
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
    principals_in,
)
from omc_runbook.model.grouping import grouped
from omc_runbook.snapshot.audit import secret_calls
from omc_runbook.snapshot.audit.state import Identities
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

SINGLE_SIGN_ON = "/aws-reserved/sso.amazonaws.com/"
"""The path of the roles that IAM Identity Center makes for people."""
_LOGINS = ("accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com", "www.amazon.com")
"""Identity providers of people; other OpenID Connect providers, such as a code host's, are for machines."""


@dataclass(frozen=True, kw_only=True)
class PrincipalAccess:
    """What an identity of the account may do with the secret; of its other verdicts only those that are not "denied".

    `passes` says whether it may run tasks of its own with a role that reads it, `becomes` by which calls it can let
    itself in, where it may not read the secret. `chain` is how it may become a role that reads the secret, that role
    last; empty where it may not, or reads the secret itself. `steps` is how it may become an administrator, or a role
    that can let itself in, that role last; empty where it reads the secret or can let itself in without that.
    `unjudged_chain` and `unjudged_steps` are the same where it cannot be told whether it may take one of them.
    `sessions` are those that it may begin in tasks that have the secret's values. `by_label` are the verdicts on
    reading versions by other labels than AWSCURRENT, where it may not read by that one; `label_chain` is how it becomes
    the role that may, that role last, where it may not itself.
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
    label_chain: tuple[Assumption, ...] = ()

    @property
    def reads_somehow(self) -> bool:
        """Whether it may read the secret, itself or as a role that it may assume."""
        return self.read.is_possible or bool(self.chain)

    @property
    def way(self) -> AccessVerdict:
        """The verdict by which it reads the secret: its own, or that on the role that it assumes (`deciding_step`)."""
        return deciding_step(self._roles).verdict if self._roles else self.read

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
            return f"may read {' and '.join(self.labels)} by {self.labels_by}"
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
    def perhaps_gets_values(self) -> bool:
        """Whether it cannot be told whether it gets at the values in any way; administrators do."""
        ways = self.becomes or self.unjudged_steps or self.passes or self.sessions
        return bool(self.perhaps_reads or ways) and not (self.gets_values or self.identity.is_administrator)

    @property
    def perhaps_reads(self) -> bool:
        """Whether it cannot be told whether it reads a version of the secret, itself or as a role that it assumes."""
        return bool(self.read.is_unjudged or self.unjudged_chain or self.by_label)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels other than AWSCURRENT by which alone it may read, at least in some way."""
        return tuple(label for label, verdict in self.by_label.items() if verdict.is_possible)

    @property
    def labels_by(self) -> str:
        """By which statements it may read them, and over which roles."""
        by = statements_of([self.by_label[label] for label in self.labels])
        return f"assuming {roles_of(self.label_chain)}: {by}" if self.label_chain else by

    @property
    def possible_sessions(self) -> tuple[TaskSession, ...]:
        """The sessions in tasks that it may begin, at least in some way."""
        return tuple(each for each in self.sessions if each.verdict.is_possible)

    @property
    def powers(self) -> tuple[AccessVerdict, ...]:
        """What else it may do: the changes, and running tasks with the secret's role."""
        return (*self.changes, *((self.passes,) if self.passes else ()))


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


def deciding_step(chain: Sequence[Assumption]) -> Assumption:
    """The step that decides whether a chain is open: one that cannot be judged, or is not certain, else the first."""
    return min(chain, key=lambda step: (not step.verdict.is_unjudged, step.verdict.decision == "allowed"))


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
    providers = list(principals_in(identity.trust, "Federated"))
    if any(":saml-provider/" in provider or provider in _LOGINS for provider in providers):
        return True
    return any(":user/" in name for name in principals_in(identity.trust, "AWS"))


def is_machine(identity: Identity) -> bool:
    """Whether only AWS services and OpenID Connect providers of machines may assume a role."""
    if identity.kind == "user" or identity.trust is None or is_human(identity):
        return False
    return not any(principals_in(identity.trust, "AWS"))


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
    targets = _roles_that_read(found, reads)
    by_arn = {each.arn: each for each in found.identities}
    unjudged = {arn: read for arn, read in reads.items() if read.is_unjudged and not by_arn[arn].is_administrator}
    ways = chains(judge, found.identities, targets, unjudged)
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
        chain, unjudged_chain = _by_certainty(() if read.is_possible else ways.get(identity.arn, ()))
        access = PrincipalAccess(
            identity=identity,
            read=read,
            changes=tuple(_changes(snapshot, found, judge, identity)),
            passes=_passes(snapshot, judge, identity, passed),
            chain=chain,
            unjudged_chain=unjudged_chain,
            sessions=tuple(sessions_of(snapshot, judge, identity, open_tasks)),
        )
        if not access.reads_somehow:
            by_label = _by_label(snapshot, found, judge, identity)
            access = replace(access, becomes=tuple(grants.of(identity)), by_label=by_label)
        principals.append(access)
    principals = list(_with_label_chains(judge, found.identities, principals))
    principals = [each for each in _with_steps(judge, found.identities, principals) if _may_something(each)]
    # Who lets itself in, or gets the values by a task, is a finding of its own.
    becoming = [each.identity for each in principals if each.chain or each.labels]
    becoming += [each.identity for each in administrators]
    other_ways = [each.identity for each in principals if each.gets_values and not (each.reads_somehow or each.labels)]
    # Who perhaps does any of this is told of with the same others.
    perhaps = [each for each in principals if each.perhaps_gets_values]
    becoming += [each.identity for each in perhaps if each.perhaps_reads]
    other_ways += [each.identity for each in perhaps if not each.perhaps_reads]
    return SecretAccess(
        principals=tuple(principals),
        administrators=tuple(administrators),
        outsiders=(
            *outsiders.of_secret(snapshot, found),
            *_behind(snapshot, found, targets),
            *_behind(snapshot, found, becoming, "account", "everybody"),
            *_behind(snapshot, found, other_ways, "everybody"),
        ),
    )


@once
def assuming(snapshot: Snapshot) -> Mapping[str, Sequence[Identity]]:
    """By ARN of each role that gets the values by a task alone, who may become it and gets them in no other way."""
    found, access = snapshot.audit.identities, of(snapshot)
    roles = [each.identity for each in access.principals if each.identity.kind == "role" and each.is_by_task]
    if found is None or not roles:
        return {}
    ways = chains(secret_calls.judge_of(snapshot, found), found.identities, roles)
    others = {each.identity.arn for each in access.principals if each.gets_values}
    entering = ((each, ways[each.arn]) for each in found.identities if each.arn in ways and each.arn not in others)
    return grouped((way[-1].role.arn, each) for each, way in entering if _by_certainty(way)[0])


@once
def beginning(snapshot: Snapshot) -> tuple[tuple[datetime, PrincipalAccess], ...]:
    """Who of the account will read the secret once a date of a Condition has come, each with the first such date."""
    found = snapshot.audit.identities
    if found is None or snapshot.secret is None:
        return ()
    policies = [policy for each in found.identities for policy in (*each.policies, each.trust, each.boundary)]
    policies += [*(policy for level in found.levels or () for policy in level), *found.resource_controls]
    policies += [*snapshot.resource_policies, found.key.policy if found.key else None]
    moments = _begins(snapshot, policies, GET_SECRET_VALUE, DECRYPT, ASSUME_ROLE)
    readers = {each.identity.arn: (snapshot.taken, each) for each in of(snapshot).readers}
    known, reads = {*readers}, secret_calls.read_verdicts(snapshot, found)
    dated = secret_calls.dated_identities(snapshot, found) if moments else ()
    for moment in moments:
        then = _at(snapshot, moment)
        judge = secret_calls.judge_of(then, found)
        later = {each.arn: secret_calls.read_verdict(then, found, judge, each) for each in dated}
        for each in _readers(judge, found, {**reads, **later}):
            readers.setdefault(each.identity.arn, (moment, each))
    return tuple(entry for arn, entry in readers.items() if arn not in known)


@once
def outsiders_beginning(snapshot: Snapshot) -> tuple[tuple[datetime, Outsider], ...]:
    """Who from outside will be let in once a date of a Condition has come, each with the first such date."""
    found = snapshot.audit.identities
    if found is None or snapshot.secret is None:
        return ()
    access, later = of(snapshot), dict[tuple[str, ...], tuple[datetime, Outsider]]()
    by_secret = [*snapshot.resource_policies, found.key.policy if found.key else None, *found.resource_controls]
    for moment in _begins(snapshot, by_secret, GET_SECRET_VALUE, DECRYPT):
        for each in outsiders.of_secret(_at(snapshot, moment), found):
            later.setdefault(_entry(each), (moment, each))
    entered = [(snapshot.taken, each) for each in (*access.principals, *access.administrators)]
    for since, way in (*entered, *beginning(snapshot)):
        reads = way.reads_somehow or way.labels or way.identity.is_administrator
        if not (reads or way.gets_values):
            continue
        kinds = ("account", "everybody") if reads else ("everybody",)
        moments = _begins(snapshot, [way.identity.trust, *found.resource_controls], ASSUME_ROLE)
        for moment in sorted({since, *(each for each in moments if each > since)} - {snapshot.taken}):
            for each in _behind(_at(snapshot, moment), found, [way.identity], *kinds):
                later.setdefault(_entry(each), (moment, each))
    known = {_entry(each) for each in access.outsiders}
    return tuple(way for entry, way in later.items() if entry not in known and way[1].is_let_in)


def _entry(outsider: Outsider) -> tuple[str, ...]:
    """What tells an outsider's way in from others, such as by the secret's policy from by its key's."""
    return outsider.principal, outsider.way, outsider.role, outsider.statement.partition(" statement ")[0]


def _begins(snapshot: Snapshot, policies: Iterable[PolicyDocument | None], *actions: str) -> list[datetime]:
    """The moments to come from which on statements of policies allow one of these actions, or no longer deny it."""
    moments = {
        moment
        for policy in filter(None, policies)
        for action in actions
        for _, statement in policy.statements_on(action)
        if isinstance(statement, Mapping)
        for moment in begins_in(statement.get("Condition"), str(statement.get("Effect")))
        # The last year that there is stands for never.
        if snapshot.taken <= moment and moment.year < MAXYEAR
    }
    return sorted(moments)


def _at(snapshot: Snapshot, moment: datetime) -> Snapshot:
    """The snapshot as if it were taken just after a moment."""
    return replace(snapshot, taken=moment + timedelta(seconds=1))


def _readers(judge: Judge, found: Identities, reads: Mapping[str, AccessVerdict]) -> Iterator[PrincipalAccess]:
    """Those that may read the secret, at least in some way, and are no administrators, without what else they may."""
    ways = chains(judge, found.identities, _roles_that_read(found, reads))
    for identity in found.identities:
        read = reads[identity.arn]
        chain, _ = _by_certainty(() if read.is_possible else ways.get(identity.arn, ()))
        access = PrincipalAccess(identity=identity, read=read, chain=chain)
        if access.reads_somehow and not identity.is_administrator:
            yield access


def _roles_that_read(found: Identities, reads: Mapping[str, AccessVerdict]) -> list[Identity]:
    """The roles that may read the secret themselves, at least in some way, and are no administrators."""
    return [
        identity
        for identity in found.identities
        if identity.kind == "role" and not identity.is_administrator and reads[identity.arn].is_possible
    ]


def _behind(snapshot: Snapshot, found: Identities, roles: Iterable[Identity], *kinds: str) -> Iterator[Outsider]:
    """Who may assume roles that get at the secret; of these kinds alone, if any are named."""
    for role in roles:
        entering = outsiders.trusted_by(role, snapshot, found)
        yield from (each for each in entering if not kinds or each.kind in kinds)


def _may_something(each: PrincipalAccess) -> bool:
    is_open = each.read.decision != "denied"
    unjudged = each.unjudged_chain or each.unjudged_steps
    ways = each.powers or each.chain or each.becomes or each.steps or each.sessions or each.by_label
    return bool(is_open or ways or unjudged)


def _by_certainty(way: tuple[Assumption, ...]) -> tuple[tuple[Assumption, ...], tuple[Assumption, ...]]:
    """A chain, and one with a step that cannot be judged: one of the two is empty."""
    return ((), way) if any(step.verdict.is_unjudged for step in way) else (way, ())


def _by_label(snapshot: Snapshot, found: Identities, judge: Judge, identity: Identity) -> dict[str, AccessVerdict]:
    """The verdicts on reading the versions of other labels that are not "denied"."""
    assert snapshot.secret
    verdicts = {
        stage: secret_calls.read_verdict(snapshot, found, judge, identity, stage=stage)
        for stage in secret_calls.other_stages(snapshot.secret)
    }
    return {stage: verdict for stage, verdict in verdicts.items() if verdict.decision != "denied"}


def _with_label_chains(
    judge: Judge, identities: Sequence[Identity], principals: Sequence[PrincipalAccess]
) -> Iterator[PrincipalAccess]:
    """These principals, with how they may become a role that reads versions of other labels than AWSCURRENT alone."""
    roles = {each.identity.arn: each for each in principals if each.identity.kind == "role" and each.by_label}
    targets = [each.identity for each in roles.values() if each.labels]
    perhaps = {
        arn: combine(GET_SECRET_VALUE, [*each.by_label.values()])
        for arn, each in roles.items()
        if not (each.labels or each.read.is_unjudged)
    }
    ways = chains(judge, identities, targets, perhaps) if roles else {}
    for each in principals:
        certain, unjudged = _by_certainty(ways.get(each.identity.arn, ()))
        # A doubt about a chain adds nothing to one about what it may itself.
        way = certain or (() if each.by_label else unjudged)
        if way and not (each.reads_somehow or each.labels):
            reader, steps = roles[way[-1].role.arn], [step.verdict for step in way]
            verdicts = {label: reader.by_label[label] for label in reader.labels or reader.by_label}
            by_label = {label: combine(last.action, [*steps, last]) for label, last in verdicts.items()}
            each = replace(each, by_label=by_label, label_chain=way)
        yield each


def _with_steps(
    judge: Judge, identities: Sequence[Identity], principals: Sequence[PrincipalAccess]
) -> Iterator[PrincipalAccess]:
    """These principals, with how they may become an administrator or a role that can let itself in."""
    targets = [each for each in identities if each.kind == "role" and each.is_administrator]
    roles = [each for each in principals if each.identity.kind == "role" and each.becomes]
    targets += [each.identity for each in roles if each.lets_itself_in]
    perhaps = {
        each.identity.arn: combine(each.becomes[0].action, each.becomes) for each in roles if not each.lets_itself_in
    }
    ways = chains(judge, identities, targets, perhaps)
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
    verdicts = (judge.verdict(identity, call) for call in calls)
    return (verdict for verdict in verdicts if verdict.decision != "denied")


def _passes(
    snapshot: Snapshot, judge: Judge, identity: Identity, roles: Mapping[str, Identity | None]
) -> AccessVerdict | None:
    """Whether an identity may run a task of its own with one of these roles, by ARN; None where it may with none."""
    if not judge.leaves_open(identity, secret_calls.PASS_ROLE):
        return None
    starting = _starts(snapshot, judge, identity)
    ways = []
    for arn, role in roles.items() if starting else ():
        passing = judge.verdict(identity, secret_calls.pass_role_call(arn, dict(role.tags) if role else None))
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
