"""The part of a snapshot that an audit alone reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from omc_runbook.aws.cloudtrail import Access, Trail
from omc_runbook.aws.cloudwatch import MetricAlarm
from omc_runbook.aws.events import EventRule
from omc_runbook.aws.iam import LastAccess
from omc_runbook.aws.kms import KmsKey
from omc_runbook.aws.logs import MetricFilter
from omc_runbook.aws.organizations import Levels
from omc_runbook.aws.sns import Topic
from omc_runbook.iam.who_can import Identity


@dataclass(frozen=True, kw_only=True)
class Identities:
    """The users and roles of the account, and what else decides who may read the secret."""

    identities: tuple[Identity, ...]
    organization: str | None = None
    """The organization's id, "" outside one; None where it was not read (a gap of "organization_policies")."""
    levels: Levels | None = ()
    """The service control policies above the account, each level of which has to allow; None where they were not
    read, which is a gap of "organization_policies"."""
    key: KmsKey | None = None
    """The customer managed key of the secret, with tags, aliases and grants; None where it has none."""
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

    @property
    def is_complete(self) -> bool:
        """Whether these are all calls since then."""
        return not self.cut


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """What records calls on the secret, and what tells somebody of them.

    `filters` and `rules` are those that match a read of the secret, or of which that is not known.
    """

    trails: tuple[Trail, ...] = ()
    """The trails that deliver the events of the secret's region."""
    filters: tuple[MetricFilter, ...] = ()
    """Metric filters on the trails' log groups."""
    alarms: Mapping[str, tuple[MetricAlarm, ...]] = field(default_factory=dict)
    """By a filter's name."""
    rules: tuple[EventRule, ...] = ()
    """EventBridge's rules, with their targets."""
    topics: Mapping[str, Topic | None] = field(default_factory=dict)
    """By ARN, the topics that alarms and rules tell, where they could be read; None for one that does not exist."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit read; a part that could not be read is a gap of the snapshot under the part's name."""

    days: int
    """How far back events are looked up."""
    identities: Identities | None = None
    """Who there is in the account, with their policies; None where it was not read (a gap of "identities")."""
    accesses: Accesses | None = None
    """Who called which API on the secret."""
    monitoring: Monitoring | None = None
    """What records such calls, and who would notice an unusual one."""
