"""Who may make a call: the users and roles of an account, each judged by all policies that count, without AWS.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

from omc_runbook.iam import request_keys
from omc_runbook.iam.conditions import ConditionKeys, compared_with, matches, texts
from omc_runbook.iam.policy import (
    AppliedStatement,
    PolicyDocument,
    PolicyRequest,
    account_of,
    apply,
    conditions_of,
    denies_everywhere,
    is_controlled,
    leaves_open,
    session_grants,
    trusts,
)
from omc_runbook.iam.request_keys import Keys
from omc_runbook.model.arn import account_in, partition_in
from omc_runbook.model.truth import Truth, all_of, any_of, invert

Decision = Literal["allowed", "denied", "unknown"]
ResourceRule = Literal["either", "delegates"]
"""Whether an identity's own policies are enough, or only where the resource's policy names its account."""

ORGANIZATION = "the organization's policies"
"""The doubt about a call that only the organization's policies could still deny, which were not read."""
GRANTS = "the key's grants"
"""The doubt about a call that only grants of the key could still allow, which were not read."""
ASSUME_ROLE = "sts:AssumeRole"
_TAG_SESSION, _PRINCIPAL_TAG = "sts:TagSession", "aws:PrincipalTag/"

_CHOSEN = frozenset(
    name.lower()
    for name in (
        *("aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast", "aws:CurrentTime", "aws:EpochTime"),
        *("aws:MultiFactorAuthAge", "aws:MultiFactorAuthPresent", "aws:Referer", "aws:SecureTransport"),
        *("aws:SourceIdentity", "aws:SourceIp", "aws:SourceVpc", "aws:SourceVpce", "aws:TokenIssueTime"),
        *("aws:UserAgent", "aws:ViaAWSService", "aws:VpcSourceIp", "ecs:cluster", "kms:ViaService"),
        *("secretsmanager:VersionId", "secretsmanager:VersionStage", "sts:ExternalId", "sts:RoleSessionName"),
        *("sts:SourceIdentity", "secretsmanager:RecoveryWindowInDays", "secretsmanager:BlockPublicPolicy"),
        *("secretsmanager:ForceDeleteWithoutRecovery", "ecs:service", "ecs:task-definition", "aws:userid"),
        *("aws:TagKeys", "sts:TransitiveTagKeys", "ssm:SessionDocumentAccessCheck"),
    )
)
"""Condition keys whose value depends on how a call is made, not on who may make it, in lower case."""
_ORDER: Mapping[Decision, float] = {"denied": 0, "unknown": 1, "allowed": 2}
_SERVICE_ROLES = "/aws-service-role/"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A user or role with all that decides what it may do.

    `policies` are its inline and managed policies, a user's groups' too. `unread` names those that could not be read.
    `session` is the name of one session of a role; without it a policy that names a session is not decided.
    """

    arn: str
    kind: Literal["user", "role"]
    id: str = ""
    created: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    policies: tuple[PolicyDocument, ...] = ()
    boundary: PolicyDocument | None = None
    trust: PolicyDocument | None = None
    unread: tuple[str, ...] = ()
    session: str = ""
    has_profile: bool = False
    """Whether a role is in an instance profile, by which instances of EC2 get it."""

    @property
    def name(self) -> str:
        """Its name, without the path."""
        return self.arn.rpartition("/")[2]

    @property
    def account(self) -> str:
        """The id of its account."""
        return account_in(self.arn)

    @property
    def is_service_linked(self) -> bool:
        """Whether it is a role that an AWS service made for itself: no organization's policy limits it."""
        return f":role{_SERVICE_ROLES}" in self.arn

    @cached_property
    def names(self) -> frozenset[str]:
        """The ARNs by which a resource's policy can name it, or its session."""
        return frozenset({self.arn, self.session_arn} if self.session else {self.arn})

    @property
    def session_arn(self) -> str:
        """The ARN of the session that is known; of an unknown one what it begins with."""
        return f"{self.session_prefix}:assumed-role/{self.name}/{self.session}"

    def sessions_among(self, principals: Iterable[str]) -> list[str]:
        """The names of its sessions that are among the principals of a policy."""
        prefix = f"{self.session_prefix}:assumed-role/{self.name}/"
        return sorted({each.removeprefix(prefix) for each in principals if each.startswith(prefix)})

    @property
    def session_prefix(self) -> str:
        """What the ARNs of its sessions begin with: "arn:PARTITION:sts::ACCOUNT"."""
        return f"arn:{partition_in(self.arn)}:sts::{self.account}"

    @cached_property
    def takes_session_tags(self) -> bool:
        """Whether a role's sessions may bring tags of their own, in the place of the role's.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
        """
        return not self.session and self.trust is not None and leaves_open([self.trust], _TAG_SESSION)

    @cached_property
    def is_administrator(self) -> bool:
        """Whether a statement without a Condition allows every action on everything, within no permissions boundary."""
        return self.may_on_everything("*", "*:*")

    def may_on_everything(self, *patterns: str) -> bool:
        """Whether a statement without a Condition, within no boundary, allows one of these actions on everything."""
        return self.boundary is None and any(
            not {*patterns}.isdisjoint(texts(statement.get("Action", [])) or ())
            and "*" in (texts(statement.get("Resource", [])) or ())
            and "Condition" not in statement
            for policy in self.policies
            for _, statement in policy.allow_statements
        )


@dataclass(frozen=True, kw_only=True)
class ResourceCall:
    """An action on a resource of the account, with the resource's policies and the condition keys that it brings.

    `granted` are the ARNs to which a grant of a KMS key allows it, whatever the policies say. `unread` names policies
    of the resource that could not be read; `has_unread_grants` says so of the grants, which only allow. `open_keys` are
    condition keys that the caller chooses.
    """

    action: str
    resource: str
    keys: Keys = field(default_factory=dict)
    policies: tuple[PolicyDocument, ...] = ()
    rule: ResourceRule = "either"
    granted: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()
    has_unread_grants: bool = False
    open_keys: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AccessVerdict:
    """Whether an identity may make a call, by which statements, and what the decision depends on.

    `doubts` names the condition keys, elements and policies that leave it unknown.
    """

    action: str
    decision: Decision
    statements: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    """The Conditions of these statements, a sentence each."""
    doubts: tuple[str, ...] = ()

    @property
    def is_conditional(self) -> bool:
        """Whether only how the call is made, such as from which address, or an unread organization, leaves it open."""
        return self.decision == "unknown" and all(map(is_chosen, self.doubts))

    @property
    def is_allowed_here(self) -> bool:
        """Whether every policy of the account allows it, so that only those of the organization could forbid it."""
        return self.decision == "allowed" or self.doubts == (ORGANIZATION,)

    @property
    def is_possible(self) -> bool:
        """Whether the identity may make the call, at least in some way."""
        return self.decision == "allowed" or self.is_conditional

    @property
    def is_unjudged(self) -> bool:
        """Whether it cannot be told here whether the identity may make the call."""
        return self.decision == "unknown" and not self.is_conditional


@dataclass(frozen=True, kw_only=True)
class Judge:
    """What counts for every identity of an account: the organization's policies, its id, and the time.

    `levels` are the service control policies of the account, of each unit above it and of the root: each level has to
    allow a call. None where they could not be read, and () where there are none. `resource_controls` are the resource
    control policies above it that deny something, which hold for its secrets, keys and roles. `organization` is the
    organization's id, "" outside one, None where it is unknown.
    """

    levels: tuple[tuple[PolicyDocument, ...], ...] | None = ()
    resource_controls: tuple[PolicyDocument, ...] = ()
    organization: str | None = None
    time: datetime | None = None

    def verdict(self, identity: Identity, call: ResourceCall) -> AccessVerdict:
        """Judge one call of one identity of the resource's own account.

        A role is judged by its own tags; where these deny the call, by whatever tags its sessions may bring.
        """
        verdict = self._verdict(identity, call, self._request(identity, call))
        if verdict.decision == "denied" and identity.takes_session_tags:
            return self._verdict(identity, call, self._request(identity, call, has_own_tags=False))
        return verdict

    def _verdict(self, identity: Identity, call: ResourceCall, request: PolicyRequest) -> AccessVerdict:
        own = apply(identity.policies, request)
        direct = apply(call.policies, replace(request, principals=identity.names))
        granted = True if identity.arn in call.granted else None if call.has_unread_grants else False
        if (
            not (identity.unread or call.unread)
            and granted is False
            and not any(each.effect != "Deny" and each.applies is not False for each in (*own, *direct))
        ):
            return AccessVerdict(action=call.action, decision="denied")
        bounds = apply([identity.boundary], request) if identity.boundary else []
        everybody = replace(request, principals=identity.names | {identity.account})
        delegating = apply(call.policies, everybody) if call.rule == "delegates" else []
        levels = [] if identity.is_service_linked else [apply(level, request) for level in self.levels or ()]
        has_controls = is_controlled(call.action) and not identity.is_service_linked
        controls = apply(self.resource_controls, everybody) if has_controls else []
        limits = [*(each for level in levels for each in level), *controls]
        denying = [each for each in (*own, *bounds, *direct, *limits) if each.effect != "Allow"]
        deciding = tuple(dict.fromkeys(each.label for each in denying if each.applies))
        if deciding:
            return AccessVerdict(action=call.action, decision="denied", statements=deciding)

        bounded = _allowed(bounds) if identity.boundary else True
        unread_own, unread_resource = (None if names else False for names in (identity.unread, call.unread))
        by_identity = any_of((_allowed(own), unread_own))
        delegated = any_of((_allowed(delegating), unread_resource)) if call.rule == "delegates" else True
        by_resource = any_of((_allowed(direct), unread_resource))
        # What names a user, a session or everybody is not limited by a boundary.
        has_limit = identity.boundary is not None and identity.kind == "role" and by_resource is not False
        beyond = _beyond_boundary(identity, call, request) if has_limit else []
        unlimited = any_of((_allowed(beyond), unread_resource)) if has_limit else by_resource
        ways = (
            all_of((by_identity, bounded, delegated)),
            any_of((unlimited, all_of((by_resource, bounded)))),
            granted,
        )
        is_unread = self.levels is None and not identity.is_service_linked
        organization = all_of((*map(_allowed, levels), *([None] if is_unread else [])))
        maybe_denied = [*(each.applies for each in denying), unread_own, unread_resource]
        truth = all_of((any_of(ways), organization, *map(invert, maybe_denied)))
        if truth is False:
            return AccessVerdict(action=call.action, decision="denied")
        consulted = [*own, *bounds, *direct, *delegating, *limits]
        allowing = tuple(dict.fromkeys(e.label for e in (*own, *direct) if e.effect == "Allow" and e.applies))
        labels = allowing or tuple(dict.fromkeys(each.label for each in consulted if each.applies is None))
        if granted and not (ways[0] or ways[1]):
            labels = ("a grant of the key",)
        conditions = tuple(dict.fromkeys(conditions_of((*identity.policies, *call.policies), labels)))
        if truth:
            return AccessVerdict(action=call.action, decision="allowed", statements=labels, conditions=conditions)
        unknowns = [name for each in (*consulted, *beyond) for name in each.unknowns]
        grants = (GRANTS,) if granted is None and any_of(ways[:2]) is False else ()
        doubts = (*unknowns, *([ORGANIZATION] if is_unread else []), *identity.unread, *call.unread, *grants)
        return AccessVerdict(
            action=call.action,
            decision="unknown",
            statements=labels,
            conditions=conditions,
            doubts=tuple(dict.fromkeys(doubts)),
        )

    def leaves_open(self, identity: Identity, action: str) -> bool:
        """Whether an identity's policies may allow an action on something; its verdicts on it are "denied" else.

        What a resource's policies allow is apart.
        """
        levels = () if identity.is_service_linked else self.levels or ()
        limits = [[identity.boundary]] if identity.boundary else []
        layers = (identity.policies, *limits, *levels)
        return bool(identity.unread) or all(
            leaves_open(layer, action) and not denies_everywhere(layer, action) for layer in layers
        )

    def verdict_anywhere(self, identity: Identity, call: ResourceCall) -> AccessVerdict:
        """Judge a call whose resource the caller chooses, such as a new task definition: the best verdict of all.

        Tried are the call's resource, and what the identity's own statements name, with "x" for each wildcard.
        """
        patterns = [
            pattern
            for policy in identity.policies
            for _, statement in policy.statements_on(call.action)
            if isinstance(statement, Mapping)
            for pattern in texts(statement.get("Resource", [])) or ()
            if pattern.startswith("arn:")
        ]
        resources = [call.resource, *(pattern.replace("*", "x").replace("?", "x") for pattern in patterns)]
        verdicts = [self.verdict(identity, replace(call, resource=each)) for each in dict.fromkeys(resources)]
        return max(verdicts, key=_rank)

    def _request(self, identity: Identity, call: ResourceCall, *, has_own_tags: bool = True) -> PolicyRequest:
        keys = {**self._keys(identity), **call.keys}
        if not has_own_tags:
            keys = {name: value for name, value in keys.items() if not name.startswith(_PRINCIPAL_TAG)}
        policies = (
            *(*identity.policies, *call.policies, *((identity.boundary,) if identity.boundary else ())),
            *(policy for level in self.levels or () for policy in level),
            *self.resource_controls,
        )
        for name in call.open_keys:
            keys.pop(name, None)
        if identity.kind == "role" and not identity.session and _names_session(identity, policies, call.action):
            keys.pop("aws:userid", None)
        return PolicyRequest(call.action, call.resource, ConditionKeys.of(keys))

    def _keys(self, identity: Identity) -> Keys:
        """The condition keys that an identity brings into every call."""
        if identity.kind == "user":
            keys = request_keys.of_user(identity.arn, identity.id, identity.tags)
        else:
            session = identity.session or request_keys.SESSION
            keys = request_keys.of_role(identity.arn, identity.id, identity.tags, session)
            if identity.trust and any(principals_in(identity.trust, "Federated")):
                # Only its sessions that a provider's token began have the key.
                del keys["aws:FederatedProvider"]
        if self.organization is not None:
            keys |= request_keys.of_organization(self.organization, "Principal", "Resource")
        if self.time is not None:
            keys |= request_keys.of_time(self.time)
        return keys


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """An identity that may assume a role, by a verdict on sts:AssumeRole."""

    identity: Identity
    role: Identity
    verdict: AccessVerdict


def assumptions(
    judge: Judge, identities: Sequence[Identity], role: Identity, speakers: Sequence[Identity] | None = None
) -> Iterator[Assumption]:
    """Who of an account may assume one of its roles: those that its trust policy names, or lets their account decide.

    `speakers` are the identities whose own policies may allow it, where that is known.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-reqcontext.html
    """
    if role.trust is None:
        return
    principals = set(principals_in(role.trust, "AWS"))
    is_open = any(_is_account(name, role.account) for name in principals)
    is_by_account = all(_is_account(name, role.account) for name in principals)
    call = ResourceCall(
        action=ASSUME_ROLE,
        resource=role.arn,
        keys=request_keys.of_assumption(role.arn, role.tags),
        policies=(role.trust,),
        rule="delegates",
        open_keys=("aws:RequestTag/*", "aws:TagKeys"),
    )
    for identity in speakers if speakers is not None and is_by_account else identities:
        is_candidate = (
            "*" in principals
            or identity.arn in principals
            or bool(identity.sessions_among(principals))
            or (is_open and (identity.unread or leaves_open(identity.policies, ASSUME_ROLE, role.arn)))
        )
        if identity is role or not is_candidate:
            continue
        # Who begins a session names it.
        sessions = [replace(identity, session=name) for name in identity.sessions_among(principals)]
        verdict = max((judge.verdict(each, call) for each in (identity, *sessions)), key=_rank)
        if verdict.decision != "denied":
            yield Assumption(identity=identity, role=role, verdict=verdict)


def chains(
    judge: Judge,
    identities: Sequence[Identity],
    targets: Iterable[Identity],
    perhaps: Mapping[str, AccessVerdict] | None = None,
) -> dict[str, tuple[Assumption, ...]]:
    """Who may assume one of some roles, over other roles too: the shortest chain of each, by ARN, the target last.

    `perhaps` has, by ARN, more roles that are perhaps targets, with the verdict that leaves it open: a chain to one of
    them ends with a step that cannot be judged.

    A step may depend on how the call is made. A chain with one that cannot be judged is given only of who has no other.
    Administrators and service-linked roles, of whom that is known without it, begin none, and the targets themselves
    neither.
    """
    found, unjudged = dict[str, tuple[Assumption, ...]](), dict[str, tuple[Assumption, ...]]()
    perhaps = perhaps or {}
    reached = {target.arn for target in targets}
    frontier: list[tuple[Identity, tuple[Assumption, ...]]] = [(target, ()) for target in targets]
    frontier += [(each, ()) for each in identities if each.arn in perhaps]
    others = [
        each for each in identities if not (each.is_administrator or each.is_service_linked or each.arn in reached)
    ]
    speakers = [each for each in others if judge.leaves_open(each, ASSUME_ROLE)]
    while frontier:
        following: list[tuple[Identity, tuple[Assumption, ...]]] = []
        # Who has a way already needs no other.
        others, speakers = ([each for each in some if each.arn not in found] for some in (others, speakers))
        for role, chain in frontier:
            for step in assumptions(judge, others, role, speakers):
                if not chain and role.arn in perhaps:
                    step = replace(step, verdict=combine(step.verdict.action, [step.verdict, perhaps[role.arn]]))
                if step.verdict.is_unjudged:
                    unjudged.setdefault(step.identity.arn, (step, *chain))
                if not step.verdict.is_possible or step.identity.arn in found:
                    continue
                found[step.identity.arn] = (step, *chain)
                following.append((step.identity, (step, *chain)))
        frontier = following
    frontier = [(way[0].identity, way) for arn, way in unjudged.items() if arn not in found]
    while frontier:
        following = []
        known = {**found, **unjudged}
        others, speakers = ([each for each in some if each.arn not in known] for some in (others, speakers))
        for role, chain in frontier:
            for step in assumptions(judge, others, role, speakers):
                if step.verdict.is_possible and step.identity.arn not in unjudged:
                    unjudged[step.identity.arn] = (step, *chain)
                    following.append((step.identity, (step, *chain)))
        frontier = following
    return unjudged | found


def combine(action: str, verdicts: Sequence[AccessVerdict]) -> AccessVerdict:
    """The verdict on what takes several calls, under the name of one action: denied where one is denied."""
    decisions = {verdict.decision for verdict in verdicts}
    decision: Decision = "denied" if "denied" in decisions else "unknown" if "unknown" in decisions else "allowed"
    parts = verdicts if decision != "denied" else [each for each in verdicts if each.decision == "denied"]
    return AccessVerdict(
        action=action,
        decision=decision,
        statements=tuple(dict.fromkeys(label for each in parts for label in each.statements)),
        conditions=tuple(dict.fromkeys(sentence for each in parts for sentence in each.conditions)),
        doubts=tuple(dict.fromkeys(doubt for each in parts for doubt in each.doubts)),
    )


def principals_in(policy: PolicyDocument, kind: Literal["AWS", "Service", "Federated"]) -> Iterator[str]:
    """The principals of one kind that a trust or resource policy's Allow statements name; "*" is of kind AWS."""
    for _, statement in policy.allow_statements:
        principal = statement.get("Principal")
        if "NotPrincipal" in statement or principal == "*":
            yield from ("*",) if kind == "AWS" else ()
        elif isinstance(principal, Mapping):
            yield from texts(principal.get(kind, [])) or ()


def is_assumed_by(role: Identity, service: str) -> bool:
    """Whether a role's trust policy lets a service assume it, as far as that can be judged."""
    return role.trust is not None and trusts(role.trust, service).decision in ("allowed", "unknown")


def _rank(verdict: AccessVerdict) -> float:
    """How much a verdict allows."""
    return _ORDER[verdict.decision] + 0.5 * verdict.is_conditional


def is_chosen(doubt: str) -> bool:
    """Whether a doubt is about a condition key that depends on how a call is made, or about the organization alone."""
    name = doubt.lower()
    return doubt == ORGANIZATION or name in _CHOSEN or name.startswith("aws:requesttag/")


def _allowed(statements: Iterable[AppliedStatement]) -> Truth:
    return any_of(each.applies for each in statements if each.effect != "Deny")


def _beyond_boundary(identity: Identity, call: ResourceCall, request: PolicyRequest) -> list[AppliedStatement]:
    """What the resource's policies allow a role whatever its boundary says: statements for its session, or for all.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """
    grants = [session_grants(policy, identity.session_arn) for policy in call.policies]
    another = frozenset({f"{identity.session_prefix}:assumed-role/not-{identity.name}/any-other-session"})
    return [
        statement
        for policies, names in ((grants, identity.names), (call.policies, another))
        for statement in apply(policies, replace(request, principals=names))
    ]


def _names_session(identity: Identity, policies: Iterable[PolicyDocument], action: str) -> bool:
    """Whether a statement compares aws:userid with some sessions of the role, so that the decision is the session's."""
    patterns = (
        pattern
        for policy in policies
        for _, statement in policy.statements_on(action)
        if isinstance(statement, Mapping)
        for pattern in compared_with(statement.get("Condition"), "aws:userid")
    )
    return any(_is_of_session(pattern, identity.id) for pattern in patterns)


def _is_of_session(pattern: str, id: str) -> bool:
    """Whether a pattern of aws:userid, which is ID:SESSION, matches some sessions of the role with this id alone."""
    for place, sign in enumerate(pattern):
        head, session = pattern[:place], pattern[place + 1 :]
        if sign == "*" and ":" not in session:
            # It may stand for the colon, and for what is around it.
            head += "*"
        elif sign not in ":?":
            continue
        if session.strip("*") and matches(head, id, ConditionKeys({})) is not False:
            return True
    return False


def _is_account(name: str, account: str) -> bool:
    return name == account or (name.endswith(":root") and account_of(name) == account)
