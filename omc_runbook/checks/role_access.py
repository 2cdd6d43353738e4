"""What a role may do with the secret and its key, by AWS's simulation where it decides, else by its policies."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from omc_runbook.aws import iam
from omc_runbook.aws.iam import Simulation
from omc_runbook.aws.kms import KmsKey
from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.checks.stopped_tasks import stops_saying
from omc_runbook.iam import request_keys
from omc_runbook.iam.policy import (
    PolicyDocument,
    Verdict,
    conditions_of,
    depends_on_variables,
    evaluate,
    evaluate_resource,
    is_limited_by_boundary,
    refusing_conditions,
    refusing_resources,
)
from omc_runbook.iam.request_keys import Keys
from omc_runbook.model.arn import account_in, partition_in, region_in, service_in
from omc_runbook.model.truth import Truth
from omc_runbook.network.reachability import TaskNetwork, trace
from omc_runbook.snapshot.audit.secret_calls import lets_decrypt
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE, Permissions
from omc_runbook.snapshot.state import Snapshot

Cause = Literal[
    "",
    "nothing-allows",
    "suffix",
    "identity-deny",
    "boundary",
    "organization",
    "resource-deny",
    "useless-grant",
    "key-policy",
    "unknown",
]

BY_SIMULATION = "SimulatePrincipalPolicy"
BY_POLICIES = "The role's policies, evaluated here"
_ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
_EVERYTHING = PolicyDocument("everything", "inline", {"Statement": [_ANYTHING]})
EVERYBODY = PolicyDocument("a policy that allows all", "resource", {"Statement": {**_ANYTHING, "Principal": "*"}})
REFUSALS: dict[Cause, str] = {
    "organization": "scp",
    "resource-deny": "resource-deny",
    "identity-deny": "identity-deny",
    "boundary": "boundary",
    "nothing-allows": "no-permission",
}
"""The check whose message AWS's refusal has, by why a role may not read the secret."""


@dataclass(frozen=True)
class RoleAccess:
    """Why a role may not do something ("" where it may), by which source, and the deciding statements."""

    cause: Cause
    sentence: str
    statements: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    """Why statements that would allow it do not, or what else could not be read, a sentence each."""
    is_bounded: bool = False
    """Whether the role's permissions boundary does not allow it either, so that a grant alone has no effect."""

    @property
    def is_denied(self) -> bool:
        """Whether a Deny of the role's, its boundary's or the organization's refuses it, which no grant outdoes."""
        is_of_boundary = self.cause == "boundary" and bool(self.statements)
        return is_of_boundary or self.cause in ("identity-deny", "organization")

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that is said of it."""
        bounded = "The role's permissions boundary does not allow it either."
        return (self.sentence, *self.conditions, *((bounded,) if self.is_bounded else ()))


@dataclass(frozen=True)
class _Call:
    """One call of a role, with those of the role's permissions that were read and decide on it."""

    role_arn: str
    permissions: Permissions
    action: str
    resource: str
    keys: Keys
    """The call's condition keys."""

    @property
    def role(self) -> str:
        """The role's name."""
        return iam.role_name(self.role_arn)

    @property
    def policies(self) -> tuple[PolicyDocument, ...]:
        """The role's own policies; () where they could not be read."""
        return self.permissions.policies or ()

    @property
    def boundary(self) -> tuple[PolicyDocument, ...]:
        """The role's permissions boundary; () where it has none."""
        return () if self.permissions.boundary is None else (self.permissions.boundary,)

    @property
    def verdict(self) -> Verdict:
        """What the role's own policies decide within its boundary."""
        return evaluate(self.policies, self.action, self.resource, self.keys, self.permissions.boundary)

    def by(self, policies: Sequence[PolicyDocument]) -> Verdict:
        """What these identity policies alone decide."""
        return evaluate(policies, self.action, self.resource, self.keys)

    @property
    def allows(self) -> bool:
        """Whether the role's own policies alone allow it."""
        return self.by(self.policies).decision == "allowed"

    @property
    def may_allow(self) -> bool:
        """Whether the role's own policies alone allow it; true where they could not be read."""
        return self.permissions.policies is None or self.allows

    def allows_on(self, *resources: str) -> bool:
        """Whether the role's own policies alone allow it on one of these resources instead of its own."""
        return any(replace(self, resource=resource).allows for resource in resources)

    @property
    def denies(self) -> bool:
        """Whether the role's own policies alone deny it; true where they could not be read."""
        return self.permissions.policies is None or self.by(self.policies).decision == "explicit-deny"

    @property
    def cause_of_deny(self) -> Cause:
        """Whose an explicit denial is: the boundary's only where the role's own policies were read and do not deny."""
        return "boundary" if self.is_outside_boundary and not self.denies else "identity-deny"

    @property
    def doubt_of_deny(self) -> str:
        """Why a Deny of the role's policies may apply, whatever allows; "" where none may, or they were not read."""
        verdict = self.by([*self.policies, *self.boundary, _EVERYTHING])
        return f"{BY_POLICIES}: {verdict.reason}." if verdict.decision == "unknown" else ""

    def refusals(self, policies: Sequence[PolicyDocument]) -> tuple[str, ...]:
        """The Conditions and resources that keep identity policies from allowing it, a sentence each."""
        refusing = refusing_conditions(policies, lambda policy: self.by([policy]), self.keys)
        elsewhere = refusing_resources(policies, lambda policy: self.by([policy]), service_in(self.resource))
        return (*(condition.sentence for condition in refusing), *elsewhere)

    @cached_property
    def simulation(self) -> Simulation | None:
        """AWS's simulation of it, unless a policy asks for condition keys that the simulation did not have.

        It need not list those of policy variables in a Resource, which it then takes for no match.
        """
        simulated = self.permissions.simulation_of(self.action, self.resource)
        if simulated is None or simulated.missing_context:
            return None
        if simulated.decision == "allowed":
            # A Deny that it takes for no match may apply.
            is_denied = self.verdict.decision == "explicit-deny"
            is_misled = is_denied and depends_on_variables((*self.policies, *self.boundary), self.action)
            return None if is_misled else simulated
        is_of_organization = simulated.allowed_by_organization is False
        is_of_boundary = simulated.allowed_by_boundary is False and not is_of_organization
        is_of_policies = not (is_of_organization or is_of_boundary)
        if is_of_policies and depends_on_variables(self.policies, self.action):
            return None
        # It may list no key that only the boundary asks for, such as a tag of the secret.
        is_doubtful = bool(self.boundary) and self.by(self.boundary).decision in ("allowed", "unknown")
        return None if is_of_boundary and is_doubtful else simulated

    def deny_statements(self, simulated: Simulation) -> tuple[str, ...]:
        """What denies it by a simulation: each statement of the policies that were read, and the names of others.

        "" stands for one that AWS does not name.
        """
        verdict = self.verdict
        own = verdict.statements if verdict.decision == "explicit-deny" else ()
        named = {label.rpartition(" statement ")[0] for label in own}
        return (*own, *dict.fromkeys(each for each in simulated.statements if each not in named)) or ("",)

    @cached_property
    def is_outside_boundary(self) -> Truth:
        """Whether the role's permissions boundary does not allow it."""
        if self.simulation and self.simulation.allowed_by_boundary is not None:
            return not self.simulation.allowed_by_boundary
        if not self.boundary:
            return False
        decision = self.by(self.boundary).decision
        return None if decision == "unknown" else decision != "allowed"


def judge(snapshot: Snapshot, role_arn: str) -> RoleAccess:
    """Judge whether a role may read the secret, also at the labels that its tasks' references name."""
    labels = dict.fromkeys((CURRENT, *_labels_read(snapshot, role_arn)))
    answers = [_judge_at(snapshot, _call_to_read(snapshot, role_arn, label)) for label in labels]
    # Why a read is refused says more than that another one cannot be judged.
    return min(answers, key=lambda access: {"unknown": 1, "": 2}.get(access.cause, 0))


def judge_beside(snapshot: Snapshot, role_arn: str, access: RoleAccess) -> RoleAccess | None:
    """What the role's policies decide on the read without the denial that comes before; None for another cause."""
    permissions = snapshot.permissions[role_arn]
    if access.cause not in ("organization", "identity-deny") or permissions.policies is None:
        return None
    policies = permissions.policies if access.cause == "organization" else map(_without_denies, permissions.policies)
    return judge(_with_policies(snapshot, role_arn, policies), role_arn)


def same_denial(snapshot: Snapshot, role_arn: str, access: RoleAccess) -> frozenset[str]:
    """The role's name if the same denial keeps it from the secret too: that finding is then the cause."""
    if snapshot.secret is None or not (access.cause == "organization" or any(access.statements)):
        return frozenset()
    own = judge(snapshot, role_arn)
    is_same = own.cause == access.cause and (own.cause == "organization" or {*access.statements} <= {*own.statements})
    return frozenset({iam.role_name(role_arn)} if is_same else ())


def judge_with(snapshot: Snapshot, role_arn: str, policy: str, document: str, action: str) -> RoleAccess:
    """What the role's policies would decide on an action with one more inline policy, by its name and its JSON."""
    new = PolicyDocument(policy, "inline", json.loads(document))
    granted = _with_policies(snapshot, role_arn, (*(snapshot.permissions[role_arn].policies or ()), new))
    key = granted.kms_key if action == DECRYPT else None
    return judge_key(granted, role_arn, key) if key else judge(granted, role_arn)


def _with_policies(snapshot: Snapshot, role_arn: str, policies: Iterable[PolicyDocument]) -> Snapshot:
    """A snapshot in which a role has these policies, and no simulation of others counts."""
    permissions = replace(snapshot.permissions[role_arn], simulated=(), policies=tuple(policies))
    return replace(snapshot, permissions={**snapshot.permissions, role_arn: permissions})


def _without_denies(policy: PolicyDocument) -> PolicyDocument:
    """A policy with a statement that does nothing in the place of each Deny, so that the others keep their numbers."""
    nothing = {"Effect": "Allow", "NotAction": "*", "Resource": "*"}
    return policy.with_statements(
        nothing if dict(each).get("Effect") == "Deny" else each for _, each in policy.statements
    )


def _labels_read(snapshot: Snapshot, role_arn: str) -> Iterator[str]:
    """The staging labels that references of a role's tasks name."""
    for revision in snapshot.revisions_in_use:
        if revision.execution_role_arn == role_arn:
            references = (injection.reference for _, injection in snapshot.own_references(revision))
            yield from (ref.stage for ref in references if ref.stage and not ref.version_id)


def _call_to_read(snapshot: Snapshot, role_arn: str, label: str = CURRENT) -> _Call:
    """The call by which a role reads the secret's version with a label."""
    keys = keys_of_read(snapshot, role_arn, label)
    return _Call(role_arn, snapshot.permissions[role_arn], GET_SECRET_VALUE, snapshot.secret_arn, keys)


def _judge_at(snapshot: Snapshot, call: _Call) -> RoleAccess:
    """Judge whether a role may make one read of the secret."""
    access = _judge_read(snapshot, call)
    if access.cause == "unknown":
        return access
    if access.statements:
        return replace(access, conditions=tuple(conditions_of((*call.policies, *call.boundary), access.statements)))
    allowing = {"nothing-allows": call.policies, "boundary": call.boundary}.get(access.cause, ())
    is_bounded = access.cause in ("nothing-allows", "suffix") and call.is_outside_boundary is True
    return replace(access, conditions=call.refusals(allowing), is_bounded=is_bounded)


def _judge_read(snapshot: Snapshot, call: _Call) -> RoleAccess:
    granted = _grants_directly(snapshot, call)
    is_limited = granted and is_grant_limited(call.role_arn, lambda names: _grants_to(snapshot, names, call.keys))
    if is_limited and call.is_outside_boundary:
        source = BY_SIMULATION if call.simulation else BY_POLICIES
        reason = "the secret's own policy names the role, but its permissions boundary does not allow"
        return RoleAccess("boundary", f"{source}: {reason} {call.action} on {call.resource}.")
    if is_limited and call.is_outside_boundary is None and not call.denies:
        return RoleAccess("unknown", f"{BY_POLICIES}: {call.by(call.boundary).reason}.")
    if call.simulation:
        return _by_simulation(call, call.simulation, granted)
    if call.permissions.policies is None:
        return _unread(call)
    return _by_policies(call, granted)


def _unread(call: _Call) -> RoleAccess:
    """What could not be read of a role's permissions."""
    first, *others = [gap.sentence for gap in call.permissions.unread] or [
        f"What {call.role} may do could not be read."
    ]
    return RoleAccess("unknown", first, conditions=tuple(others))


def refused_access(snapshot: Snapshot, services: frozenset[str]) -> RoleAccess | None:
    """The access by AWS's refusal of a task, where nothing else decides; None without one."""
    for cause, check in REFUSALS.items():
        for stop in stops_saying(snapshot, check):
            if stop.service.name in services:
                return RoleAccess(cause, stop.sentence)
    return None


def judge_resource_policy(snapshot: Snapshot, role_arn: str) -> Verdict | None:
    """Whether the secret's own policies deny a role what others allow; None where the secret has no policy."""
    if not snapshot.resource_policies or not snapshot.secret:
        return None
    # Without an allow, an undecidable deny would change nothing and be ignored.
    return evaluate_resource(
        EVERYBODY,
        _principals(role_arn),
        GET_SECRET_VALUE,
        snapshot.secret.arn,
        keys_of_read(snapshot, role_arn),
        snapshot.resource_policies,
    )


def judge_key(snapshot: Snapshot, role_arn: str, key: KmsKey) -> RoleAccess:
    """Judge whether a role may decrypt with the secret's customer key."""
    keys = _key_context(snapshot, role_arn, key)
    call = _Call(role_arn, snapshot.permissions[role_arn], DECRYPT, key.arn, keys)
    by_role = _judge_decrypt(snapshot, call)
    if by_role.is_denied or key.policy is None:
        return by_role
    names = _principals(role_arn)
    account = {account_in(role_arn), _root(role_arn)}
    direct = evaluate_resource(key.policy, names - account, DECRYPT, key.arn, keys)
    if direct.decision == "explicit-deny":
        conditions = tuple(conditions_of((key.policy,), direct.statements))
        return RoleAccess("key-policy", f"GetKeyPolicy: {direct.reason}.", direct.statements, conditions)
    key_policy = key.policy

    def grants_to(names: Collection[str]) -> Truth:
        return evaluate_resource(key_policy, names, DECRYPT, key.arn, keys).decision == "allowed"

    if direct.decision == "allowed" and call.is_outside_boundary and is_grant_limited(role_arn, grants_to):
        reason = "the key's policy names the role, but its permissions boundary does not allow"
        sentence = f"{BY_SIMULATION if call.simulation else BY_POLICIES}: {reason} {DECRYPT} on {key.arn}."
        return RoleAccess("boundary", sentence, conditions=call.refusals(call.boundary))
    if direct.decision == "allowed":
        doubt = call.doubt_of_deny if by_role.cause else ""
        return RoleAccess("unknown", doubt) if doubt else RoleAccess("", direct.reason)
    # A role's own policies count for a key only where the key's policy lets the account's do so.
    delegated = evaluate_resource(key.policy, names, DECRYPT, key.arn, keys)
    if delegated.decision == "allowed" and by_role.cause == "":
        return by_role
    assert snapshot.secret
    if any(grant.grantee == role_arn and lets_decrypt(grant, snapshot.secret) for grant in key.grants):
        return RoleAccess("", f"ListGrants: a grant of {key.arn} lets {call.role} decrypt.")
    if "unknown" in (direct.decision, delegated.decision):
        return RoleAccess("unknown", f"{(direct if direct.decision == 'unknown' else delegated).reason}.")
    if delegated.decision != "allowed":
        refusing = refusing_conditions(
            [key.policy], lambda policy: evaluate_resource(policy, names, DECRYPT, key.arn, keys), keys
        )
        conditions = tuple(condition.sentence for condition in refusing)
        return RoleAccess("key-policy", f"GetKeyPolicy: {delegated.reason}.", delegated.statements, conditions)
    return by_role


def _judge_decrypt(snapshot: Snapshot, call: _Call) -> RoleAccess:
    """Judge whether a role's own policies let it decrypt with a key."""
    simulated, name, what = call.simulation, call.role, f"{DECRYPT} on {call.resource}"
    if simulated:
        allowed = simulated.decision == "allowed"
        # Of a boundary's Deny it may say that nothing allows.
        denied = simulated.decision == "explicitDeny" or call.by(call.boundary).decision == "explicit-deny"
        source, statements = BY_SIMULATION, call.deny_statements(simulated)
    elif call.permissions.policies is not None:
        verdict = call.verdict
        if verdict.decision == "unknown":
            return RoleAccess("unknown", f"{BY_POLICIES}: {verdict.reason}.")
        allowed, denied = verdict.decision == "allowed", verdict.decision == "explicit-deny"
        source, statements = BY_POLICIES, verdict.statements
    else:
        return _unread(call)
    if allowed:
        return RoleAccess("", f"{source}: allowed.")
    # Its denial is an explicit one, too.
    if simulated and simulated.allowed_by_organization is False:
        return RoleAccess("organization", f"{source}: AllowedByOrganizations is false for {what}.")
    if denied:
        sentence = f"{source}: {name} is denied {DECRYPT} by {_list(statements)}."
        conditions = tuple(conditions_of((*call.policies, *call.boundary), statements))
        return RoleAccess(call.cause_of_deny, sentence, statements, conditions)
    is_bounded = call.is_outside_boundary is True
    if is_bounded and call.may_allow:
        sentence = f"{source}: the permissions boundary of {name} does not allow {what}."
        return RoleAccess("boundary", sentence, conditions=call.refusals(call.boundary))
    arn = snapshot.secret_arn
    if call.allows_on(arn, arn.rpartition("-")[0]):
        sentence = (
            f"{source}: {name} is granted {DECRYPT} on the secret's ARN, not on {call.resource}, which encrypts it."
        )
        return RoleAccess("useless-grant", sentence, is_bounded=is_bounded)
    sentence = f"{source}: {name} is not granted {what}."
    return RoleAccess("nothing-allows", sentence, conditions=call.refusals(call.policies), is_bounded=is_bounded)


def judge_action(permissions: Permissions, role_arn: str, action: str, resource: str, keys: Keys) -> RoleAccess:
    """Judge whether a role's own policies let it do one thing, by the simulation or else by the policies read."""
    call = _Call(role_arn, permissions, action, resource, keys)
    simulated = call.simulation
    if simulated:
        fact = f"{BY_SIMULATION}: {simulated.decision} for {action} on {resource}, for {call.role}"
        is_allowed, is_denied = simulated.decision == "allowed", simulated.decision == "explicitDeny"
        statements = call.deny_statements(simulated)
        if not is_allowed and simulated.allowed_by_organization is False:
            denied, unread = f"{fact}; AllowedByOrganizations is false.", permissions.organization_unread
            owner = "" if resource == "*" else account_in(resource)
            if owner not in ("", account_in(role_arn)):
                unread += (f"Whether account {owner} is of the organization, which a policy may ask for, is unknown.",)
            # A policy with a condition on the organization denies a simulation without a value for it.
            if unread:
                return RoleAccess("unknown", unread[0], conditions=(*unread[1:], denied))
            return RoleAccess("organization", denied, statements)
    elif permissions.policies is not None:
        verdict = call.verdict
        fact, statements = f"{BY_POLICIES}: {verdict.reason}", verdict.statements
        if verdict.decision == "unknown":
            return RoleAccess("unknown", fact)
        is_allowed, is_denied = verdict.decision == "allowed", verdict.decision == "explicit-deny"
    else:
        return _unread(call)
    if is_allowed:
        return RoleAccess("", f"{fact}.")
    is_outside = call.is_outside_boundary is True
    # Where its own policies were not read, the deny may be one of theirs.
    if is_outside and call.may_allow and not (is_denied and permissions.policies is None):
        denying = statements if is_denied or call.by(call.boundary).decision == "explicit-deny" else ()
        return RoleAccess("boundary", f"{fact}: its permissions boundary does not allow it.", denying)
    if is_denied:
        return RoleAccess(call.cause_of_deny, f"{fact}{f', by {_list(statements)}' if simulated else ''}.", statements)
    return RoleAccess("nothing-allows", f"{fact}.", is_bounded=is_outside)


def _by_simulation(call: _Call, simulated: Simulation, granted: Truth) -> RoleAccess:
    what = f"{BY_SIMULATION}: {simulated.decision} for {call.action} on {call.resource}"
    if simulated.decision == "allowed":
        return RoleAccess("", f"{what}.")
    if simulated.allowed_by_organization is False:
        return RoleAccess("organization", f"{what}; AllowedByOrganizations is false.", simulated.statements)
    if simulated.decision == "explicitDeny":
        statements = call.deny_statements(simulated)
        return RoleAccess(call.cause_of_deny, f"{what}, by {_list(statements)}.", statements)
    if granted is False and simulated.allowed_by_boundary is False and call.may_allow:
        limit = call.by(call.boundary)
        denying = limit.statements if limit.decision == "explicit-deny" else ()
        return RoleAccess("boundary", f"{what}; AllowedByPermissionsBoundary is false.", denying)
    if granted is not False:
        return _by_secret(what, granted)
    base = call.permissions.simulation_of(call.action, call.resource.rpartition("-")[0])
    if base and base.decision == "allowed" and not _allows_another(call):
        return RoleAccess("suffix", f"{what}, and allowed for the ARN without its last six characters.")
    return RoleAccess("nothing-allows", f"{what}.")


def _by_policies(call: _Call, granted: Truth) -> RoleAccess:
    verdict, doubt = call.verdict, call.doubt_of_deny
    reason = f"{BY_POLICIES}: {verdict.reason}"
    what = f"{reason}."
    if verdict.decision == "unknown" and (granted is not True or doubt):
        return RoleAccess("unknown", what)
    if verdict.decision == "allowed":
        return RoleAccess("", what)
    if verdict.decision == "explicit-deny":
        return RoleAccess(call.cause_of_deny, what, verdict.statements)
    if granted is False and verdict.decision == "implicit-deny" and call.allows:
        return RoleAccess("boundary", what)
    if granted and doubt:
        return RoleAccess("unknown", doubt)
    if granted is not False:
        return _by_secret(reason, granted)
    if call.allows_on(call.resource.rpartition("-")[0]) and not _allows_another(call):
        return RoleAccess("suffix", f"{reason}, but the ARN without its last six characters is allowed.")
    return RoleAccess("nothing-allows", what)


def _allows_another(call: _Call) -> bool:
    """Whether the role's policies allow other names as well, as NotResource does: then no suffix is missing."""
    return call.allows_on(f"{call.resource}x", f"{call.resource.rpartition(':')[0]}:x")


def undecided_denies(snapshot: Snapshot, role_arn: str) -> tuple[str, ...]:
    """The statements of a role's own policies that may deny the read, by keys that are not certain."""
    call = _call_to_read(snapshot, role_arn)
    call = replace(call, keys={key: call.keys[key] for key in call.keys if key not in request_keys.UNCERTAIN})
    verdict = call.by([*call.policies, _EVERYTHING])
    return verdict.statements if verdict.decision == "unknown" else ()


def _by_secret(what: str, granted: Truth) -> RoleAccess:
    """The access by the secret's own policy, where the role's policies do not allow it."""
    if granted:
        return RoleAccess("", f"{what}, but the secret's own policy allows it.")
    return RoleAccess("unknown", f"{what}; whether the secret's own policy allows it cannot be judged here.")


def is_grant_limited(role_arn: str, grants_to: Callable[[Collection[str]], Truth]) -> bool:
    """Whether what a resource's policies grant to a role is limited by its boundary; asks them about other names."""
    return is_limited_by_boundary(lambda names: grants_to(names) is True, _sts(role_arn), iam.role_name(role_arn))


def _grants_directly(snapshot: Snapshot, call: _Call) -> Truth:
    """Whether the secret's own policy names the role; one that names the account leaves it to the role's policies."""
    names = _principals(call.role_arn) - {account_in(call.role_arn), _root(call.role_arn)}
    return _grants_to(snapshot, names, call.keys)


def _grants_to(snapshot: Snapshot, principals: Collection[str], context: Keys) -> Truth:
    """Whether the secret's own policies allow one of the principals to read it."""
    if not snapshot.resource_policies or not snapshot.secret:
        return False
    first, *others = snapshot.resource_policies
    verdict = evaluate_resource(first, principals, GET_SECRET_VALUE, snapshot.secret.arn, context, others)
    return None if verdict.decision == "unknown" else verdict.decision == "allowed"


def _principals(role_arn: str) -> frozenset[str]:
    """The principals by which a resource policy can name a task's session of a role."""
    session = f"{_sts(role_arn)}:assumed-role/{iam.role_name(role_arn)}/{request_keys.SESSION}"
    return frozenset({role_arn, account_in(role_arn), _root(role_arn), session})


def _sts(role_arn: str) -> str:
    """What the ARNs of a role's sessions begin with."""
    return f"arn:{partition_in(role_arn)}:sts::{account_in(role_arn)}"


def _root(role_arn: str) -> str:
    return f"arn:{partition_in(role_arn)}:iam::{account_in(role_arn)}:root"


def keys_of(snapshot: Snapshot, role_arn: str, permissions: Permissions | None) -> Keys:
    """The condition keys of a session of a role, at the time of the snapshot."""
    role = permissions.role if permissions else None
    keys = request_keys.of_role(role_arn, role.id, role.tags) if role else request_keys.of_role(role_arn)
    if snapshot.organization is not None:
        keys |= request_keys.of_organization(snapshot.organization, "Principal")
    return {**keys, **request_keys.of_task(snapshot.taken)}


def unread_organization(snapshot: Snapshot, facts: Iterable[str]) -> tuple[str, ...]:
    """Why the account's organization is unknown, where one of these facts depends on it."""
    depend = any(request_keys.OF_AN_ORGANIZATION.search(fact) for fact in facts)
    return snapshot.unread("organization") if depend else ()


def keys_of_read(snapshot: Snapshot, role_arn: str, label: str = CURRENT) -> Keys:
    """The condition keys whose values are known of a task's call to Secrets Manager for the version with a label."""
    assert snapshot.secret
    secret = request_keys.of_secret(snapshot.secret.arn, snapshot.secret.tags, (label,), "")
    return keys_of_call(snapshot, role_arn, snapshot.secret.arn, secret)


def keys_of_call(snapshot: Snapshot, role_arn: str, resource: str, own: Keys) -> Keys:
    """The same of a call for any secret or parameter, by its ARN; `own` are the keys that it has itself."""
    role = keys_of(snapshot, role_arn, snapshot.permissions.get(role_arn))
    way = _keys_of_way(snapshot, role_arn, service_in(resource), region_in(resource))
    direct = dict.fromkeys(request_keys.OF_A_CHAIN, ())
    return {**role, **direct, **own, **_organization_of(snapshot, resource), **way}


@once
def _keys_of_way(snapshot: Snapshot, role_arn: str, called: str, region: str) -> Keys:
    """What an endpoint adds to the calls of a role's tasks; nothing where they differ, or their way is unknown."""
    if snapshot.network is None or region != snapshot.environment.names.region:
        return {}
    ways: list[Keys] = []
    for service in snapshot.readers:
        if any(revision.execution_role_arn == role_arn for revision in snapshot.revisions(service)):
            placement = service.placement
            subnets = () if service.reads_by_instance else placement.subnets
            tasks = [TaskNetwork(subnet, placement.groups, placement.public_ip) for subnet in subnets]
            paths = [trace(snapshot.network, task, called, region) for task in tasks]
            if not paths or not all(path.is_reachable for path in paths):
                return {}
            ways += [path.keys for path in paths]
    if not ways or any(way != ways[0] for way in ways):
        return {}
    return ways[0] or dict.fromkeys(request_keys.OF_AN_ENDPOINT, ())


def _key_context(snapshot: Snapshot, role_arn: str, key: KmsKey) -> Keys:
    """The same of Secrets Manager's call to KMS for it."""
    assert snapshot.secret
    secret, account = snapshot.secret, account_in(role_arn)
    role = keys_of(snapshot, role_arn, snapshot.permissions[role_arn])
    keys = request_keys.of_key(key.arn, account, secret.arn, snapshot.current_id, key.tags, key.aliases)
    return {**role, **keys, **_organization_of(snapshot, key.arn)}


def _organization_of(snapshot: Snapshot, resource: str) -> Keys:
    """The organization of a resource, where it is the caller's account that has it."""
    if snapshot.organization is None or account_in(resource) != snapshot.caller.account:
        return {}
    return request_keys.of_organization(snapshot.organization, "Resource")


def _list(names: Sequence[str]) -> str:
    return ", ".join(name for name in names if name) or "a statement that AWS does not name"
