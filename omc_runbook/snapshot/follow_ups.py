"""Follow-up calls that decide what the first read leaves open."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import replace

from omc_runbook.aws import cloudtrail, kms, organizations, secretsmanager
from omc_runbook.aws.cloudtrail import FoundEvents
from omc_runbook.aws.ecs import Task
from omc_runbook.aws.failures import ReadFailure, or_none
from omc_runbook.aws.kms import KmsKey
from omc_runbook.iam import request_keys
from omc_runbook.iam.policy import evaluate
from omc_runbook.masking.defects import is_stand_in
from omc_runbook.masking.document import DocumentError, parse
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE, Permissions
from omc_runbook.snapshot.state import Snapshot

TRAIL_LIMIT = 100
WRITES = ("CreateSecret", "PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage")
"""The API calls that can change AWSCURRENT."""
DELETED, POLICY = "DeleteSecret", "PutResourcePolicy"


def settle(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Read what is missing to judge tasks: who wrote versions, when a task read them, what older versions contain."""
    is_unclear = any(_is_unclear(*pair) for pair in _tasks_of_readers(snapshot)) or _is_back(snapshot)
    reads_trail = "trail" not in snapshot.left_out
    if reads_trail and is_unclear and snapshot.versions:
        snapshot = read_trail(gatherer, snapshot)
    elif reads_trail and snapshot.current and _has_placeholder(snapshot):
        answer = gatherer.keep("writes", _events(gatherer, "PutSecretValue", snapshot), None)
        snapshot = replace(snapshot, writes=answer.events if answer else None)
    stale = [pair for pair in _tasks_of_readers(snapshot) if freshness.of(*pair) == "stale"]
    needed = {version for pair in stale for version in freshness.versions_to_compare(*pair)} | _pinned(snapshot)
    if _has_placeholder(snapshot):
        needed.add(snapshot.previous_id)
    return _with_versions(gatherer, snapshot, needed)


def _tasks_of_readers(snapshot: Snapshot) -> list[tuple[Snapshot, Task]]:
    """The running tasks that may have the secret, those of other clusters too, each with its cluster's snapshot."""
    looks = (snapshot, *snapshot.elsewhere)
    return [(each, task) for each in looks for task in each.running_tasks]


def _is_back(snapshot: Snapshot) -> bool:
    """Whether a deployment was rolled back, and AWSCURRENT is on an older version: since when, only CloudTrail says."""
    is_older = any(secretsmanager.CURRENT in version.stages for version in snapshot.versions[:-1])
    return is_older and any(service.rolled_back or service.withdrawn for service in snapshot.consumers)


def _is_unclear(snapshot: Snapshot, task: Task) -> bool:
    """Whether times alone do not say which version a task read."""
    state = freshness.of(snapshot, task)
    return state == "undecidable" or (state == "stale" and len(freshness.versions_read(snapshot, task)) > 1)


def read_trail(gatherer: Gatherer, snapshot: Snapshot, others: tuple[str, ...] = ()) -> Snapshot:
    """Read from CloudTrail who wrote the secret's versions and which tasks read them, unless that is known.

    `others` are names of more API calls to look up.
    """
    is_known = snapshot.writes is not None and snapshot.reads is not None
    names = () if is_known else WRITES
    writes = [_events(gatherer, name, snapshot) for name in names + others]
    reads = None if is_known else _events(gatherer, "GetSecretValue", snapshot)
    answers = [gatherer.keep("writes", answer, None) for answer in writes]
    events = tuple(event for answer in answers if answer for event in answer.events)
    cuts = [answer.cut_at for answer in answers[: len(names)] if answer and answer.cut_at]
    found = gatherer.keep("reads", reads, None)
    return replace(
        snapshot,
        writes=None if None in answers else events + (snapshot.writes or () if is_known else ()),
        writes_since=max(cuts, default=snapshot.writes_since),
        reads=(found.events if found else None) if reads else snapshot.reads,
    )


def read_authors(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Read what `read_trail` does, and who deleted the secret or set its resource policy, if anybody did."""
    deleted = (DELETED,) if snapshot.secret and snapshot.secret.deleted else ()
    return read_trail(gatherer, snapshot, deleted + ((POLICY,) if snapshot.resource_policy else ()))


def read_previous(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Read the content of AWSPREVIOUS, unless it is known."""
    return _with_versions(gatherer, snapshot, {snapshot.previous_id})


def _with_versions(gatherer: Gatherer, snapshot: Snapshot, ids: set[str]) -> Snapshot:
    """The snapshot with the contents of these versions, too."""
    missing = read_versions(gatherer, ids - {*snapshot.contents, ""})
    return replace(snapshot, contents={**snapshot.contents, **missing})


def read_organization(gatherer: Gatherer, snapshot: Snapshot) -> str | None:
    """Read which organization the account belongs to, where a policy depends on it; None where none does.

    The policies of Secrets Manager's endpoints are known once the network was read. It is asked for once.
    """
    if snapshot.organization is not None:
        return snapshot.organization
    policies = [*snapshot.resource_policies, snapshot.kms_key.policy if snapshot.kms_key else None]
    permissions = snapshot.permissions.values()
    policies += [each for role in permissions for each in (*(role.policies or ()), role.boundary)]
    policies += [each.role.trust for each in permissions if each.role]
    policies += [source.policy for source in snapshot.other_sources.values()]
    endpoints = snapshot.network.endpoints or () if snapshot.network else ()
    policies += [endpoint.policy for endpoint in endpoints if endpoint.service.endswith(".secretsmanager")]
    if not request_keys.OF_AN_ORGANIZATION.search(json.dumps([policy.document for policy in policies if policy])):
        return None
    what, permission = "the account's organization", "organizations:DescribeOrganization"
    found = gatherer.keep("organization", gatherer.read_once(what, permission, organizations.describe), None)
    return found.id if found else None


def read_key_use(gatherer: Gatherer, key: KmsKey, roles: Iterable[Permissions]) -> KmsKey:
    """Add a customer key's tags and aliases, where a policy depends on them, and its grants, where nothing else allows.

    A call that is refused there is in the key's `unread`.
    """
    existing = [role for role in roles if role.exists]
    policies = [key.policy, *(policy for role in existing for policy in (*(role.policies or ()), role.boundary))]
    text = json.dumps([policy.document for policy in policies if policy]).casefold()
    is_allowed = ":root" in text and all(_may_decrypt(role, key.arn) for role in existing)
    tags = "aws:resourcetag/" in text and gatherer.read(
        f"the tags of key {key.arn}", "kms:ListResourceTags", kms.list_tags, key.arn
    )
    aliases = "kms:resourcealiases" in text and gatherer.read(
        f"the aliases of key {key.arn}", "kms:ListAliases", kms.list_aliases, key.arn
    )
    grants = not is_allowed and gatherer.read(
        f"the grants of key {key.arn}", "kms:ListGrants", kms.list_grants, key.arn
    )
    answers = [answer.result() for answer in (tags, aliases, grants) if answer]
    return replace(
        key,
        tags=or_none(tags.result()) if tags else None,
        aliases=or_none(aliases.result()) if aliases else None,
        grants=(or_none(grants.result()) or ()) if grants else (),
        unread=tuple(answer for answer in answers if isinstance(answer, ReadFailure)),
    )


def _may_decrypt(role: Permissions, key_arn: str) -> bool:
    """Whether a role's own policies allow using a key, whatever the request."""
    simulated = role.simulation_of(DECRYPT, key_arn)
    if simulated and simulated.decision == "allowed":
        return True
    return evaluate(role.policies or (), DECRYPT, key_arn, None, role.boundary).decision == "allowed"


def read_foreign_secrets(gatherer: Gatherer, snapshot: Snapshot) -> dict[str, secretsmanager.Secret | None]:
    """Look up the secrets that references name in other regions and accounts; an error there is no gap."""
    home = (gatherer.names.region, snapshot.account)
    regions = {
        ref.secret_arn: ref.region
        for service in snapshot.consumers
        for revision in snapshot.revisions(service)
        for ref in (injection.reference for _, injection in snapshot.own_references(revision))
        if ref.kind == "secretsmanager" and ref.region and (ref.region, ref.account) != home
    }
    answers = {
        arn: gatherer.within(region).read(arn, "secretsmanager:DescribeSecret", secretsmanager.describe, arn)
        for arn, region in regions.items()
    }
    secrets = {arn: answer.result() for arn, answer in answers.items()}
    return {arn: secret for arn, secret in secrets.items() if not isinstance(secret, ReadFailure)}


def contents_of(value: secretsmanager.Value | None) -> dict[str, Content]:
    """A version's content by its id, parsed where possible; empty where there is no version."""
    if value is None:
        return {}
    if value.text is None:
        return {value.version_id: Content(value.version_id, binary=True, size=value.size)}
    try:
        return {value.version_id: Content(value.version_id, parse(value.text), size=value.size)}
    except DocumentError as error:
        return {value.version_id: Content(value.version_id, error=error, size=value.size)}


def _events(gatherer: Gatherer, name: str, snapshot: Snapshot) -> Future[FoundEvents | ReadFailure]:
    client, secret = gatherer.clients("cloudtrail"), snapshot.secret_name
    created = (snapshot.secret.created if snapshot.secret else None) or snapshot.taken
    started = [task.created for _, task in _tasks_of_readers(snapshot) if task.created]
    # With what was current when the oldest task started.
    before = [version for version in snapshot.versions if started and version.created <= min(started)]
    # Which one that was, only the writes of all show: the last may have been written under another label.
    versions = snapshot.versions if name in WRITES else (*before[-1:], *snapshot.versions[-2:])
    since = min((version.created for version in versions), default=created)
    return gatherer.ask(
        f"who called {name}",
        "cloudtrail:LookupEvents",
        lambda: cloudtrail.look_up(client, name, since, TRAIL_LIMIT).events(secret, since),
    )


def register_former(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Register the values of all listed versions for masking, as logs and pasted texts may quote them.

    The snapshot gets the content of AWSPREVIOUS; a version that cannot be read is no gap.
    """
    former: dict[str, Content] = {}
    for answer in request_versions(
        gatherer, {version.id for version in snapshot.versions} - {*snapshot.contents}
    ).values():
        value = answer.result()
        if not isinstance(value, ReadFailure):
            former |= contents_of(value)
    previous = {id: each for id, each in former.items() if id == snapshot.previous_id}
    return replace(snapshot, contents={**snapshot.contents, **previous})


def read_versions(gatherer: Gatherer, version_ids: set[str]) -> dict[str, Content]:
    """Read versions of the secret by id, in parallel; those that cannot be read are gaps of "older_contents"."""
    contents: dict[str, Content] = {}
    for answer in request_versions(gatherer, version_ids).values():
        contents.update(contents_of(gatherer.keep("older_contents", answer, None)))
    return contents


def request_versions(
    gatherer: Gatherer, version_ids: set[str]
) -> dict[str, Future[secretsmanager.Value | ReadFailure | None]]:
    """Start to read versions of the secret, by id."""
    name = gatherer.names.secret
    return {
        version_id: gatherer.read(
            f"version {version_id} of {name}", GET_SECRET_VALUE, secretsmanager.get_value, name, version_id=version_id
        )
        for version_id in sorted(version_ids)
    }


def _pinned(snapshot: Snapshot) -> set[str]:
    """Ids of the versions that references pin, by staging label or by id."""
    refs = [
        injection.reference
        for service in snapshot.consumers
        for revision in snapshot.revisions(service)
        for _, injection in snapshot.own_references(revision)
        if injection.reference.names_version
    ]
    listed = {version.id for version in snapshot.versions}
    stages = {snapshot.version_at(ref.stage) for ref in refs if not ref.version_id}
    return {ref.version_id for ref in refs if ref.version_id in listed} | stages


def _has_placeholder(snapshot: Snapshot) -> bool:
    keys = snapshot.environment.keys
    return any(is_stand_in(member.injected, member.key, keys.get(member.key)) for member in snapshot.members)
