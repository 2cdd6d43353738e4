"""The principal of a call, with the policies that AWS would evaluate, from moto's state."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from moto.iam.models import AccessKey, IAMBackend, Role, User, iam_backends
from moto.organizations.models import organizations_backends
from moto.sts.models import AssumedRole, sts_backends

from omc_runbook.iam.policy import ALLOW_EVERYTHING, PolicyDocument
from omc_runbook.iam.request_keys import Keys
from omc_runbook.model.arn import account_in
from omc_runbook.sandbox import credentials
from omc_runbook.sandbox.account import ACCOUNT, MEMBER_ADMINISTRATOR

PARTITION = "aws"
_EVERYTHING = PolicyDocument("AdministratorAccess", "managed", ALLOW_EVERYTHING)
_SCP, _RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"


@dataclass(frozen=True, kw_only=True)
class Principal:
    """A caller: its ARN, the user or role behind it, and every policy that applies to it."""

    arn: str
    identity_arn: str
    account: str
    kind: Literal["administrator", "user", "role"]
    name: str
    session: str = ""
    id: str = "AIDASANDBOX"
    tags: Mapping[str, str] = field(default_factory=dict)
    policies: tuple[PolicyDocument, ...] = ()
    boundary: PolicyDocument | None = None
    scps: tuple[PolicyDocument, ...] = ()
    source: Keys = field(default_factory=dict)
    """The condition keys of the VPC endpoint that its calls pass."""

    @property
    def organization(self) -> str:
        """The id of its account's organization; "" outside one."""
        accounts = (
            a
            for management in list(organizations_backends)
            for a in organizations_backends[management][PARTITION].accounts
        )
        return next((account.organization_id for account in accounts if account.id == self.account), "")

    @property
    def names(self) -> frozenset[str]:
        """The ARNs by which a resource-based policy can name this caller."""
        return frozenset({self.arn, self.identity_arn})


def caller(access_key: str) -> Principal:
    """The principal of an access key; one without permissions if the key was deleted."""
    if access_key == credentials.administrator().access_key:
        return administrator(ACCOUNT)
    if found := find_access_key(access_key):
        iam, key, session = found
        if session is not None:
            name = session.role_arn.rpartition("/")[2]
            if name == MEMBER_ADMINISTRATOR and find_role(name, iam.account_id) is None:
                return administrator(iam.account_id, session.arn)
            return role_session(session.role_arn, session.session_name)
        user = iam.users.get(key.user_name or "")
        if user is not None:
            return _user(iam, user)
    arn = f"arn:{PARTITION}:iam::{ACCOUNT}:user/nobody"
    return Principal(arn=arn, identity_arn=arn, account=ACCOUNT, kind="user", name="nobody", scps=scps(ACCOUNT))


def find_access_key(access_key: str) -> tuple[IAMBackend, AccessKey, AssumedRole | None] | None:
    """The IAM of the account that a key is of, the key, and the role's session that has it, if it is one's."""
    for account in list(iam_backends):
        iam = iam_backends[account][PARTITION]
        if key := iam.access_keys.get(access_key):
            return iam, key, sts_backends[account][PARTITION].get_assumed_role_from_access_key(access_key)
    return None


def administrator(account: str, arn: str = "") -> Principal:
    """The administrator of an account, who may do everything that no other policy denies."""
    arn = arn or f"arn:{PARTITION}:iam::{account}:user/administrator"
    return Principal(
        arn=arn,
        identity_arn=arn,
        account=account,
        kind="administrator",
        name="administrator",
        policies=(_EVERYTHING,),
        scps=scps(account),
    )


def find_role(name: str, account: str) -> Role | None:
    """A role of an account, by its name."""
    return next((role for role in list(iam_backends[account][PARTITION].get_roles()) if role.name == name), None)


def role_session(role_arn: str, session: str) -> Principal:
    """A session of a role; without policies if the role does not exist."""
    account, name = account_in(role_arn), role_arn.rpartition("/")[2]
    iam = iam_backends[account][PARTITION]
    role = find_role(name, account)
    arn = f"arn:{PARTITION}:sts::{account}:assumed-role/{name}/{session}"
    return Principal(
        arn=arn,
        identity_arn=role_arn,
        account=account,
        kind="role",
        name=name,
        session=session,
        id=role.id if role is not None else "",
        tags=_tags(role.tags or ()) if role is not None else {},
        policies=tuple(_documents(role)) if role is not None else (),
        boundary=_managed(iam, role.permissions_boundary_arn) if role is not None else None,
        scps=scps(account),
    )


def identity(arn: str) -> Principal | None:
    """The user or role that an IAM ARN names, or None."""
    fields = arn.split(":", 5)
    if len(fields) != 6:
        return None
    account, (kind, _, path) = fields[4], fields[5].partition("/")
    name = path.rpartition("/")[2]
    iam = iam_backends[account][PARTITION]
    if kind == "role" and find_role(name, account) is not None:
        return role_session(arn, "simulation")
    if kind == "user" and name in iam.users:
        return _user(iam, iam.users[name])
    return None


def trust_policy(arn: str) -> str | dict[str, Any] | None:
    """The trust policy of a role as JSON, None of one that does not exist.

    A role by which an organization's management account reaches a member exists as soon as it is named.
    """
    fields = arn.split(":", 5)
    name = arn.rpartition("/")[2]
    role = find_role(name, fields[4]) if len(fields) == 6 else None
    if role is not None and role.arn == arn:
        document: str | dict[str, Any] = role.assume_role_policy_document
        return document
    principal = {"AWS": f"arn:{PARTITION}:iam::{ACCOUNT}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {"Statement": [statement]} if name == MEMBER_ADMINISTRATOR else None


def role_arn(name_or_arn: str, account: str) -> str:
    """The ARN of a role that a task definition names by its name or its ARN."""
    return name_or_arn if name_or_arn.startswith("arn:") else f"arn:{PARTITION}:iam::{account}:role/{name_or_arn}"


def scps(account: str) -> tuple[PolicyDocument, ...]:
    """The service control policies on an account, its organizational units and the root.

    Here, unlike in AWS, they count in the management account too: it is the only one that has the sandbox's world.
    """
    return tuple(
        PolicyDocument(policy.name, "scp", parse_policy(policy.content)) for policy in _policies_above(account, _SCP)
    )


def rcps(account: str) -> tuple[PolicyDocument, ...]:
    """The resource control policies on an account, its organizational units and the root.

    None for the management account: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
    """
    above = () if _is_management(account) else _policies_above(account, _RCP)
    return tuple(PolicyDocument(policy.name, "rcp", parse_policy(policy.content)) for policy in above)


def _is_management(account: str) -> bool:
    if account not in list(organizations_backends):
        return False
    organization = organizations_backends[account][PARTITION].org
    return organization is not None and organization.master_account_id == account


def _policies_above(account: str, kind: str) -> list[Any]:
    """The policies of a kind that are attached to an account, its organizational units and the root, each once."""
    found: dict[str, Any] = {}
    for management_account in list(organizations_backends):
        backend = organizations_backends[management_account][PARTITION]
        target: Any = next((a for a in backend.accounts if a.id == account), None)
        while target is not None:
            found |= {policy.id: policy for policy in target.attached_policies if policy.type == kind}
            parent_id = getattr(target, "parent_id", None)
            target = next((ou for ou in backend.ou if ou.id == parent_id), None)
    return [*found.values()]


def parse_policy(document: str | dict[str, Any] | None) -> dict[str, Any]:
    """A policy's JSON as a mapping; JSON that is no object allows nothing."""
    parsed = json.loads(document) if isinstance(document, str) else document
    return parsed if isinstance(parsed, dict) else {"Statement": []}


def _user(iam: IAMBackend, user: User) -> Principal:
    owners = (user, *iam.get_groups_for_user(user.name))
    return Principal(
        arn=user.arn,
        identity_arn=user.arn,
        account=iam.account_id,
        kind="user",
        name=user.name,
        id=user.id,
        tags=_tags(iam.list_user_tags(user.name)),
        policies=tuple(document for owner in owners for document in _documents(owner)),
        boundary=_managed(iam, (getattr(user, "permissions_boundary", None) or {}).get("PermissionsBoundaryArn")),
        scps=scps(iam.account_id),
    )


def _tags(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _documents(owner: Any) -> list[PolicyDocument]:
    inline = [PolicyDocument(n, "inline", parse_policy(d)) for n, d in list(owner.policies.items())]
    managed = [
        PolicyDocument(policy.name, "managed", _default_version(policy))
        for policy in list(owner.managed_policies.values())
    ]
    return inline + managed


def _default_version(policy: Any) -> dict[str, Any]:
    versions = {version.version_id: version.document for version in policy.versions}
    return parse_policy(versions.get(policy.default_version_id))


def _managed(iam: IAMBackend, arn: str | None) -> PolicyDocument | None:
    if not arn:
        return None
    policy = iam.managed_policies.get(arn)
    document = _default_version(policy) if policy is not None else {"Statement": []}
    return PolicyDocument(arn.rpartition("/")[2], "boundary", document)
