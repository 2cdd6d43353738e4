"""The part of a snapshot that an audit alone reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from omc_runbook.aws.cloudtrail import Access, Trail
from omc_runbook.aws.cloudwatch import MetricAlarm
from omc_runbook.aws.events import EventRule
from omc_runbook.aws.logs import MetricFilter
from omc_runbook.aws.sns import Topic


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
    accesses: Accesses | None = None
    """Who called which API on the secret."""
    monitoring: Monitoring | None = None
    """What records such calls, and who would notice an unusual one."""
