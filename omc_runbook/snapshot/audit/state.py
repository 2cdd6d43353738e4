"""The part of a snapshot that an audit alone reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from omc_runbook.aws.cloudtrail import Access, Trail
from omc_runbook.aws.cloudwatch import MetricAlarm
from omc_runbook.aws.events import EventRule
from omc_runbook.aws.iam import LastAccess
from omc_runbook.aws.kms import KeyRotation, KmsKey
from omc_runbook.aws.lambda_functions import RotationFunction
from omc_runbook.aws.logs import MetricFilter
from omc_runbook.aws.organizations import Levels
from omc_runbook.aws.secretsmanager import ListedSecret
from omc_runbook.aws.sns import Topic
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.iam.who_can import AccessVerdict, Identity
from omc_runbook.snapshot.version_history import VersionHistory


@dataclass(frozen=True, kw_only=True)
class Identities:
    """The users and roles of the account, and what else decides who may read the secret."""

    identities: tuple[Identity, ...]
    groups: Mapping[str, tuple[PolicyDocument, ...]] = field(default_factory=dict)
    """The policies of IAM's groups, by the group's ARN."""
    other_versions: Mapping[str, tuple[PolicyDocument, ...]] = field(default_factory=dict)
    """What the account's own managed policies would be at each version that is not their default, by ARN."""
    organization: str | None = None
    """The organization's id, "" outside one; None where it was not read (a gap of "organization_policies")."""
    levels: Levels | None = ()
    """The service control policies above the account, each level of which has to allow; None where they were not
    read, which is a gap of "organization_policies"."""
    resource_controls: tuple[PolicyDocument, ...] = ()
    """The resource control policies above the account that deny something; () where `levels` is None."""
    functions: Mapping[str, str] = field(default_factory=dict)
    """The ARNs of the region's Lambda functions, with those of their roles, where Lambda may assume a role that reads
    the secret; where they were not read, that is a gap of "functions"."""
    key: KmsKey | None = None
    """The customer managed key of the secret, with tags, aliases and grants; None where it has none."""
    reads: Mapping[str, AccessVerdict] = field(default_factory=dict)
    """Whether each may read the secret, by ARN, as `secret_calls.read_verdicts` judged it; {} where nobody has yet."""
    last_accesses: Mapping[str, LastAccess] = field(default_factory=dict)
    """When those that may read the secret last used Secrets Manager, by ARN, as far as that was read: the others are
    a gap of "last_accesses"."""


@dataclass(frozen=True, kw_only=True)
class Accesses:
    """Calls that read or changed the secret, newest first; a batch read and its parts are one call."""

    calls: tuple[Access, ...]
    since: datetime
    source: str
    """Where they are from, in words."""
    cut: Mapping[str, datetime] = field(default_factory=dict)
    """By API, the time of the oldest call that was read, where there are more than an audit reads."""


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """What records calls on the secret, and what tells somebody of them.

    `filters` and `rules` are those that match a read of the secret, or of which that is not known.
    """

    trails: tuple[Trail, ...] = ()
    """The trails that deliver the events of the secret's region."""
    filters: tuple[MetricFilter, ...] = ()
    """Metric filters on the trails' log groups."""
    alarms: Mapping[tuple[str, str, str], tuple[MetricAlarm, ...]] = field(default_factory=dict)
    """By what they watch, as `MetricFilter.metric_id` has it."""
    rules: tuple[EventRule, ...] = ()
    """EventBridge's rules, with their targets."""
    topics: Mapping[str, Topic | None] = field(default_factory=dict)
    """By ARN, the topics that alarms and rules tell, where they could be read; None for one that does not exist."""


@dataclass(frozen=True, kw_only=True)
class ExposedValue:
    """A value of the secret that stands in the open: whose it is, and where."""

    key: str
    """The key whose value it is; where only its form tells that it is a secret, what it looks like."""
    location: str
    """Where it stands, in words."""
    is_current: bool = False
    """Whether the secret has it now; else it is a former value, or of another origin."""
    is_known: bool = True
    """Whether it is a value of the secret; False where only its name or form tells that it is secret."""
    is_part: bool = False
    """Whether what stands there has more in it than the value."""
    service: str = ""
    """The service whose task definition or log has it; "" for none."""


@dataclass(frozen=True)
class SharedKey:
    """A key whose value another environment's secret has too, and the key there."""

    key: str
    environment: str
    other_key: str


@dataclass(frozen=True)
class Search:
    """What was found in so many files, blobs, lines or revisions; `limits` says in sentences what was not searched."""

    found: tuple[ExposedValue, ...] = ()
    count: int = 0
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Where values of the secret stand in the open; no value is kept."""

    definitions: Search
    """In what task definitions in use, tasks' overrides and Service Connect's logs have in plain text."""
    logs: Search
    """In a sample of the consumers' logs."""
    files: Search | None
    """In files of the checkout that git has or would add; None without a checkout."""
    history: Search | None
    """Current values in blobs of git that no present file has; None without a checkout in git."""
    shared: tuple[SharedKey, ...] = ()
    compared: tuple[str, ...] = ()
    """The environments with whose secrets values were compared."""
    uncompared: Mapping[str, str] = field(default_factory=dict)
    """Why others' could not be, by environment: the end of a sentence."""


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """What protects, renews and ends the secret, beside what DescribeSecret says."""

    key_rotation: KeyRotation | None = None
    """The automatic rotation of a customer managed KMS key; None for AWS's own key, or where it was not read."""
    rotation_function: RotationFunction | None = None
    """The Lambda function that rotates the secret; None where the secret has none, or it was not read."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit read; a part that could not be read is a gap of the snapshot under the part's name."""

    days: int = 0
    """How far back events are looked up; 0 where no audit was read."""
    identities: Identities | None = None
    """Who there is in the account, with their policies; None where it was not read (a gap of "identities")."""
    accesses: Accesses | None = None
    """Who called which API on the secret."""
    monitoring: Monitoring | None = None
    """What records such calls, and who would notice an unusual one."""
    history: VersionHistory | None = None
    """Every version with its content: the ages of keys. Gaps are those of "lives"."""
    exposure: Exposure | None = None
    """What is exposed; gaps are those of "exposure"."""
    project_secrets: tuple[ListedSecret, ...] = field(default=())
    """The project's secrets of this region; gaps are those of "unused"."""
    lifecycle: Lifecycle | None = None
    """Gaps are those of "lifecycle"."""
