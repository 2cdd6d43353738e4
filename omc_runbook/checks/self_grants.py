"""How a principal that may not read the secret can let itself in: by IAM's own calls, or by a service with its role.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from omc_runbook.iam import request_keys
from omc_runbook.iam.policy import ALLOW_EVERYTHING, PolicyDocument, may_name
from omc_runbook.iam.request_keys import Keys
from omc_runbook.iam.who_can import (
    ASSUME_ROLE,
    AccessVerdict,
    Identity,
    Judge,
    ResourceCall,
    combine,
    is_assumed_by,
)
from omc_runbook.snapshot.audit import secret_calls

ADD_TO_PROFILE = "iam:AddRoleToInstanceProfile"
NEW_TRUST = "iam:UpdateAssumeRolePolicy"
_AS_USER = ("iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile")
"""By which somebody signs in as another user."""
_READING = "arn:aws:iam::aws:policy/SecretsManagerReadWrite"
_EVERYTHING = PolicyDocument("what it gives itself", "inline", ALLOW_EVERYTHING)


@dataclass(frozen=True, kw_only=True)
class SelfGrants:
    """Judges how identities can let themselves in.

    `reads` tells whether an identity may read the secret, as it would be then; `readers` are the roles and users that
    may already, and `functions` the ARNs of Lambda's functions with the ARNs of such roles. What a service runs is
    judged in the `region`.
    """

    judge: Judge
    reads: Callable[[Identity], bool]
    readers: tuple[Identity, ...]
    functions: Mapping[str, str] = field(default_factory=dict)
    region: str

    def of(self, identity: Identity) -> Iterator[AccessVerdict]:
        """The calls by which an identity can let itself in, each as a verdict that is not "denied".

        A verdict on several calls is named "ACTION and ACTION"; without the first of them the others let nobody in.
        """
        if identity.is_service_linked:
            return
        own = [*self._judged(identity, _on_itself(identity))]
        # A permissions boundary, a deny and the secret's key hold against what somebody gives themselves.
        if own and self.reads(replace(identity, policies=(*identity.policies, _EVERYTHING))):
            yield from own
        for ways in (*(self._as_reader(identity, action) for action in (NEW_TRUST, *_AS_USER)), *self._by(identity)):
            verdict = next(ways, None)
            if verdict:
                yield verdict

    def _judged(self, identity: Identity, calls: Iterable[ResourceCall]) -> Iterator[AccessVerdict]:
        """The verdict on each action that is not denied, once."""
        seen = set[str]()
        for call in calls:
            if call.action in seen or not may_name(identity.policies, call.action, call.resource):
                continue
            verdict = self.judge.verdict(identity, call)
            if verdict.decision != "denied":
                seen.add(call.action)
                yield verdict

    def _as_reader(self, identity: Identity, action: str) -> Iterator[AccessVerdict]:
        """By signing in as somebody who reads the secret."""
        for call in self._on_readers[action] if self.judge.leaves_open(identity, action) else ():
            if call.resource != identity.arn and may_name(identity.policies, action, call.resource):
                verdict = self.judge.verdict(identity, call)
                if verdict.decision != "denied" and (action != NEW_TRUST or self._may_assume(identity, call)):
                    yield verdict

    def _by(self, identity: Identity) -> Iterator[Iterator[AccessVerdict]]:
        """By what services run for it with a role that reads the secret."""
        if self.judge.leaves_open(identity, secret_calls.PASS_ROLE):
            yield self._by_passing(identity, secret_calls.LAMBDA, self._may_add_function)
            yield self._by_passing(identity, secret_calls.EC2, self._may_run_instance)
        if self.judge.leaves_open(identity, secret_calls.UPDATE_CODE):
            calls = (self._call(secret_calls.UPDATE_CODE, arn) for arn in self.functions)
            yield (verdict for call in calls if (verdict := self.judge.verdict(identity, call)).decision != "denied")

    def _by_passing(
        self, identity: Identity, service: str, use: Callable[[Identity], AccessVerdict | None]
    ) -> Iterator[AccessVerdict]:
        """By passing a role that reads the secret to a service."""
        roles = [
            each for each in self._roles_of[service] if may_name(identity.policies, secret_calls.PASS_ROLE, each.arn)
        ]
        using = use(identity) if roles else None
        for role in roles if using else ():
            assert using
            passes = self.judge.verdict(identity, secret_calls.passing(role.arn, dict(role.tags), service))
            more = [] if service == secret_calls.LAMBDA or role.has_profile else [self._profile(identity)]
            whole = combine(f"{passes.action} and {using.action}", [passes, using, *more])
            if whole.decision != "denied":
                yield whole

    def _may_add_function(self, identity: Identity) -> AccessVerdict | None:
        """Whether it may create a function and let it run."""
        if not self.judge.leaves_open(identity, secret_calls.CREATE_FUNCTION):
            return None
        resource = f"{self._base(identity, 'lambda')}:function:x"
        create = self.judge.verdict_anywhere(identity, self._call(secret_calls.CREATE_FUNCTION, resource))
        for action in secret_calls.FUNCTION_STARTS if create.decision != "denied" else ():
            run = self.judge.verdict_anywhere(identity, self._call(action, resource))
            if run.decision != "denied":
                return combine(create.action, [create, run])
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
        resource = f"arn:{identity.arn.split(':')[1]}:iam::{identity.account}:instance-profile/x"
        return self.judge.verdict_anywhere(identity, ResourceCall(action=ADD_TO_PROFILE, resource=resource))

    def _base(self, identity: Identity, service: str) -> str:
        """What the ARNs of a service's resources begin with."""
        return f"arn:{identity.arn.split(':')[1]}:{service}:{self.region}:{identity.account}"

    def _call(self, action: str, resource: str) -> ResourceCall:
        keys: Keys = {"aws:RequestedRegion": self.region, "aws:ResourceAccount": resource.split(":")[4]}
        return ResourceCall(action=action, resource=resource, keys=keys, open_keys=secret_calls.CHOSEN_TAGS)

    @cached_property
    def _roles_of(self) -> Mapping[str, Sequence[Identity]]:
        """By service, the roles that read the secret and that it may assume."""
        services = (secret_calls.LAMBDA, secret_calls.EC2)
        roles = [each for each in self.readers if each.kind == "role" and not each.is_service_linked]
        return {service: [each for each in roles if is_assumed_by(each, service)] for service in services}

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
    return identity.may_on_everything("iam:*")


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
