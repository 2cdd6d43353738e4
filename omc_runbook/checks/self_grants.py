"""How a principal that may not read the secret can let itself in: by IAM's calls, the secret's policy, or a service.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce

from omc_runbook.iam import request_keys
from omc_runbook.iam.policy import ALLOW_EVERYTHING, PolicyDocument, leaves_open
from omc_runbook.iam.who_can import (
    ASSUME_ROLE,
    AccessVerdict,
    Identity,
    Judge,
    ResourceCall,
    combine,
    is_assumed_by,
    principals_in,
)
from omc_runbook.model.arn import partition_in
from omc_runbook.snapshot.audit import secret_calls
from omc_runbook.snapshot.audit.state import Identities
from omc_runbook.snapshot.state import Snapshot

ADD_TO_PROFILE = "iam:AddRoleToInstanceProfile"
NEW_TRUST, OTHER_VERSION = "iam:UpdateAssumeRolePolicy", "iam:SetDefaultPolicyVersion"
_AS_USER = ("iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile")
"""By which somebody signs in as another user."""
_NEW_METADATA = "iam:UpdateSAMLProvider"
"""By which somebody signs in as every role that trusts the provider: with an identity provider of their own.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateSAMLProvider.html
"""
_AS_READER = (NEW_TRUST, *_AS_USER, _NEW_METADATA)
_READING = "arn:aws:iam::aws:policy/SecretsManagerReadWrite"
_UNLIMITED = "arn:aws:iam::aws:policy/AdministratorAccess"
_EVERYTHING = PolicyDocument("what it gives itself", "inline", ALLOW_EVERYTHING)


@dataclass(frozen=True)
class _OwnChange:
    """A call that changes what an identity may do, and what becomes of the identity by it."""

    call: ResourceCall
    then: Callable[[Identity], Identity]


@dataclass(frozen=True, kw_only=True)
class SelfGrants:
    """Judges how identities can let themselves in; `reads` is whether each may read the secret already, by ARN."""

    snapshot: Snapshot
    found: Identities
    judge: Judge
    reads: Mapping[str, AccessVerdict]

    def of(self, identity: Identity) -> Iterator[AccessVerdict]:
        """The calls by which an identity can let itself in, each as a verdict that is not "denied".

        A verdict on several calls is named "ACTION and ACTION"; without the first of them the others let nobody in.
        """
        if identity.is_service_linked:
            return
        yield from self._by_itself(identity)
        yield from self._by_policy(identity)
        as_readers = (self._as_reader(identity, action) for action in _AS_READER)
        for ways in (self._by_version(identity), *as_readers, *self._by_services(identity)):
            verdict = next(ways, None)
            if verdict:
                yield verdict

    def _may_read(
        self, identity: Identity, policy: PolicyDocument | None = None, key_policy: PolicyDocument | None = None
    ) -> bool:
        """Whether an identity may read, as it would be then, with another policy of the secret or its key if given."""
        verdict = secret_calls.read_verdict(self.snapshot, self.found, self.judge, identity, policy, key_policy)
        return verdict.is_possible

    def _by_itself(self, identity: Identity) -> Iterator[AccessVerdict]:
        """By changing what it may do: each call that is enough, once, else the first that is after all others."""
        then, before = identity, dict[str, AccessVerdict]()
        while possible := [
            (verdict, change) for verdict, change in self._changes(then) if verdict.action not in before
        ]:
            # What it may not change still holds: another's deny, a permissions boundary, the secret's key.
            enough = [verdict for verdict, change in possible if self._may_read(change.then(then))]
            if enough:
                once = {verdict.action: verdict for verdict in reversed(enough)}
                yield from reversed(once.values()) if not before else [_together([*before.values(), enough[0]])]
                return
            before |= {verdict.action: verdict for verdict, _ in possible}
            then = reduce(lambda each, way: way[1].then(each), possible, then)
            if self._may_read(then):
                yield _together([*before.values()])
                return

    def _changes(self, identity: Identity) -> Iterator[tuple[AccessVerdict, _OwnChange]]:
        """The changes of itself that are not denied, each with the verdict on its call."""
        for change in _on_itself(identity, self.found.groups):
            if leaves_open(identity.policies, change.call.action, change.call.resource):
                verdict = self.judge.verdict(identity, change.call)
                if verdict.decision != "denied":
                    yield verdict, change

    def _by_version(self, identity: Identity) -> Iterator[AccessVerdict]:
        """By another version of a policy that it has, which IAM keeps."""
        versions = self.found.other_versions
        for origin in sorted(versions.keys() & {policy.origin for policy in identity.policies}):
            verdict = self.judge.verdict(identity, ResourceCall(action=OTHER_VERSION, resource=origin))
            others = [policy for policy in identity.policies if policy.origin != origin]
            for version in versions[origin] if verdict.decision != "denied" else ():
                if self._may_read(replace(identity, policies=(*others, version))):
                    yield verdict

    def _by_policy(self, identity: Identity) -> Iterator[AccessVerdict]:
        """By the secret's own policy, which may name it, or be gone, or by its key's policy or a grant of the key."""
        statement = {"Effect": "Allow", "Principal": {"AWS": identity.arn}, "Action": "*", "Resource": "*"}
        naming = PolicyDocument("the policy then", "resource", {"Statement": [statement]})
        nothing = replace(naming, document={"Statement": []})
        for call in self._on_policies:
            verdict = self.judge.verdict(identity, call)
            is_of_key = call.action in secret_calls.KEY_POLICIES
            policy = None if is_of_key else naming if call.action == secret_calls.PUT_POLICY else nothing
            if verdict.decision != "denied" and self._may_read(identity, policy, naming if is_of_key else None):
                yield verdict

    def _as_reader(self, identity: Identity, action: str) -> Iterator[AccessVerdict]:
        """By signing in as somebody who reads the secret."""
        for call in self._on_readers[action] if self.judge.leaves_open(identity, action) else ():
            if call.resource != identity.arn and leaves_open(identity.policies, action, call.resource):
                verdict = self.judge.verdict(identity, call)
                if verdict.decision != "denied" and (action != NEW_TRUST or self._may_assume(identity, call)):
                    yield verdict

    def _by_services(self, identity: Identity) -> Iterator[Iterator[AccessVerdict]]:
        """By what services run for it with a role that reads the secret."""
        if self.judge.leaves_open(identity, secret_calls.PASS_ROLE):
            for service in secret_calls.CODE_RUNNERS:
                yield self._by_passing(identity, service, partial(self._may_run_code, service))
            yield self._by_passing(identity, secret_calls.EC2, self._may_run_instance)
        for action in secret_calls.UPDATES_OF_FUNCTIONS:
            if self.judge.leaves_open(identity, action):
                verdicts = [self.judge.verdict(identity, self._call(action, arn)) for arn in self._functions]
                yield (verdict for verdict in verdicts if verdict.decision != "denied")

    def _by_passing(
        self, identity: Identity, service: str, use: Callable[[Identity], AccessVerdict | None]
    ) -> Iterator[AccessVerdict]:
        """By passing a role that reads the secret to a service."""
        roles = [
            each for each in self._roles_of[service] if leaves_open(identity.policies, secret_calls.PASS_ROLE, each.arn)
        ]
        using = use(identity) if roles else None
        for role in roles if using else ():
            assert using
            passes = self.judge.verdict(identity, secret_calls.pass_role_call(role.arn, dict(role.tags), service))
            more = [] if service != secret_calls.EC2 or role.has_profile else [self._profile(identity)]
            verdict = combine(f"{passes.action} and {using.action}", [passes, using, *more])
            if verdict.decision != "denied":
                yield verdict

    def _may_run_code(self, service: str, identity: Identity) -> AccessVerdict | None:
        """Whether it may create what runs its code in a service, and let it run."""
        for action, resource, starts in secret_calls.CODE_RUNNERS[service]:
            if not self.judge.leaves_open(identity, action):
                continue
            arn = f"{self._base(identity, service.partition('.')[0])}:{resource}"
            create = self.judge.verdict_anywhere(identity, self._call(action, arn))
            if create.decision != "denied" and not starts:
                return create
            for start in starts if create.decision != "denied" else ():
                run = self.judge.verdict_anywhere(identity, self._call(start, arn))
                if run.decision != "denied":
                    return combine(action, [create, run])
        return None

    def _may_run_instance(self, identity: Identity) -> AccessVerdict | None:
        """Whether it may run an instance; which image, subnet and security groups, it chooses among what it may use."""
        if not self.judge.leaves_open(identity, secret_calls.RUN_INSTANCES):
            return None
        base, kinds = self._base(identity, "ec2"), ("instance", "network-interface", "volume")
        calls = [self._call(secret_calls.RUN_INSTANCES, f"{base}:{kind}/x") for kind in kinds]
        verdict = combine(secret_calls.RUN_INSTANCES, [self.judge.verdict(identity, call) for call in calls])
        return verdict if verdict.decision != "denied" else None

    def _profile(self, identity: Identity) -> AccessVerdict:
        """Whether it may put a role into an instance profile, without which no instance has it."""
        resource = f"arn:{partition_in(identity.arn)}:iam::{identity.account}:instance-profile/x"
        return self.judge.verdict_anywhere(identity, ResourceCall(action=ADD_TO_PROFILE, resource=resource))

    def _base(self, identity: Identity, service: str) -> str:
        """What the ARNs of a service's resources begin with."""
        return f"arn:{partition_in(identity.arn)}:{service}:{self._region}:{identity.account}"

    def _call(self, action: str, resource: str) -> ResourceCall:
        keys = request_keys.of_resource(resource)
        return ResourceCall(action=action, resource=resource, keys=keys, open_keys=secret_calls.CHOSEN_TAGS)

    @property
    def _region(self) -> str:
        """Where what a service runs is judged."""
        return self.snapshot.environment.names.region

    @cached_property
    def _readers(self) -> tuple[Identity, ...]:
        """The roles and users that may read the secret already."""
        return tuple(each for each in self.found.identities if self.reads[each.arn].is_possible)

    @cached_property
    def _functions(self) -> tuple[str, ...]:
        """The ARNs of Lambda's functions with such a role."""
        roles = {each.arn for each in self._readers}
        return tuple(arn for arn, role in self.found.functions.items() if role in roles)

    @cached_property
    def _on_policies(self) -> tuple[ResourceCall, ...]:
        """The calls that change the secret's own policy, its key's, or the key's grants."""
        key, on_secret = self.found.key, (secret_calls.on_secret(self.snapshot, each) for each in secret_calls.POLICIES)
        return (*on_secret, *(secret_calls.on_key(key, each) for each in secret_calls.KEY_POLICIES if key))

    @cached_property
    def _roles_of(self) -> Mapping[str, Sequence[Identity]]:
        """By service, the roles that read the secret and that it may assume."""
        services = (*secret_calls.CODE_RUNNERS, secret_calls.EC2)
        roles = [each for each in self._readers if each.kind == "role" and not each.is_service_linked]
        return {service: [each for each in roles if is_assumed_by(each, service)] for service in services}

    @cached_property
    def _on_readers(self) -> Mapping[str, tuple[ResourceCall, ...]]:
        """By action, the calls by which somebody becomes a role or a user that may read the secret."""
        calls: dict[str, list[ResourceCall]] = {action: [] for action in _AS_READER}
        for reader in self._readers:
            keys = request_keys.of_assumption(reader.arn, dict(reader.tags))
            for action in () if reader.is_service_linked else (NEW_TRUST,) if reader.kind == "role" else _AS_USER:
                calls[action].append(ResourceCall(action=action, resource=reader.arn, keys=keys))
            providers = principals_in(reader.trust, "Federated") if reader.trust else ()
            calls[_NEW_METADATA] += (
                ResourceCall(action=_NEW_METADATA, resource=provider)
                for provider in providers
                if f"::{reader.account}:saml-provider/" in provider
            )
        return {action: tuple(found) for action, found in calls.items()}

    def _may_assume(self, identity: Identity, change: ResourceCall) -> bool:
        """Whether an identity may assume the role whose trust policy it changes, where that names it."""
        statement = {"Effect": "Allow", "Principal": {"AWS": identity.arn}, "Action": ASSUME_ROLE}
        trust = PolicyDocument("the trust policy then", "trust", {"Statement": [statement]})
        call = replace(change, action=ASSUME_ROLE, policies=(trust,), rule="delegates")
        return self.judge.verdict(identity, call).decision != "denied"


def _together(verdicts: Sequence[AccessVerdict]) -> AccessVerdict:
    return combine(" and ".join(verdict.action for verdict in verdicts), verdicts)


def administers_iam(identity: Identity) -> bool:
    """Whether a statement without a Condition allows every action of IAM on everything, within no boundary."""
    return identity.may_on_everything("iam:*")


def _on_itself(identity: Identity, groups: Mapping[str, tuple[PolicyDocument, ...]]) -> Iterator[_OwnChange]:
    """The calls that change an identity's own policies and boundary, and those of its groups; what gives most first."""
    kind = "Role" if identity.kind == "role" else "User"
    keys = {**request_keys.of_assumption(identity.arn, dict(identity.tags)), "iam:PolicyARN": _READING}
    limit = identity.boundary.origin if identity.boundary else ()

    def own(action: str, then: Callable[[Identity], Identity], **changed: str) -> _OwnChange:
        all_keys = {**keys, "iam:PermissionsBoundary": limit, **changed}
        return _OwnChange(ResourceCall(action=action, resource=identity.arn, keys=all_keys), then)

    yield own(f"iam:Put{kind}Policy", _giving(_EVERYTHING, instead_of=filter(_is_own, identity.policies)))
    yield own(f"iam:Attach{kind}Policy", _giving(_EVERYTHING))
    for group in dict.fromkeys(policy.group for policy in identity.policies if policy.group):
        inline = (each for each in identity.policies if (each.group, each.kind) == (group, "inline"))
        with_inline, with_managed = _giving(_EVERYTHING, instead_of=inline), _giving(_EVERYTHING)
        for action, then in (("iam:PutGroupPolicy", with_inline), ("iam:AttachGroupPolicy", with_managed)):
            yield _OwnChange(ResourceCall(action=action, resource=group, keys={"iam:PolicyARN": _READING}), then)
    for origin in dict.fromkeys(policy.origin for policy in identity.policies):
        if f"::{identity.account}:policy/" in origin:
            replacing = _giving(_EVERYTHING, instead_of=(each for each in identity.policies if each.origin == origin))
            yield _OwnChange(ResourceCall(action="iam:CreatePolicyVersion", resource=origin), replacing)
    for arn, policies in groups.items() if identity.kind == "user" else ():
        yield _OwnChange(ResourceCall(action="iam:AddUserToGroup", resource=arn), _giving(*policies))
    for policy in filter(_denies, identity.policies):
        if _is_own(policy):
            yield own(f"iam:Delete{kind}Policy", _giving(instead_of=(policy,)))
        elif policy.kind == "managed" and not policy.group:
            yield own(f"iam:Detach{kind}Policy", _giving(instead_of=(policy,)), **{"iam:PolicyARN": policy.origin})
    if identity.boundary:
        unlimited = partial(replace, boundary=None)
        yield own(f"iam:Delete{kind}PermissionsBoundary", unlimited)
        yield own(f"iam:Put{kind}PermissionsBoundary", unlimited, **{"iam:PermissionsBoundary": _UNLIMITED})


def _giving(*policies: PolicyDocument, instead_of: Iterable[PolicyDocument] = ()) -> Callable[[Identity], Identity]:
    """Make a change that gives an identity policies in the place of some of its own."""
    replaced = tuple(instead_of)
    return lambda identity: replace(
        identity, policies=(*(each for each in identity.policies if each not in replaced), *policies)
    )


def _is_own(policy: PolicyDocument) -> bool:
    """Whether a policy is an identity's own inline policy, which it replaces by another of its name."""
    return policy.kind == "inline" and not policy.group


def _denies(policy: PolicyDocument) -> bool:
    return any(isinstance(each, Mapping) and each.get("Effect") == "Deny" for _, each in policy.statements)
