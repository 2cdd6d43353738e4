"""What audit.ipynb does: say who can read the secret, who did, how old it is, and who would notice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace

from omc_runbook.aws.cloudtrail import HISTORY_KEEPS
from omc_runbook.changes.values import former_values
from omc_runbook.diagnosis import acceptance, root_causes
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import AUDIT, Remedy
from omc_runbook.model.parameters import split_names
from omc_runbook.report import audit as report
from omc_runbook.report.audit import (
    AuditFindings,
    Snapshots,
    access_timeline,
    accesses,
    ages,
    changes,
    exposure,
    findings,
    heat_map,
    lifecycle,
    lights,
    lives,
    missing,
    monitoring,
    readers,
    unused,
    writers,
)
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.display.rich_display import Group
from omc_runbook.runbooks import conclude as run_end
from omc_runbook.runbooks import own_parameters, unfinished
from omc_runbook.runbooks import pickers as choices
from omc_runbook.runbooks.actions import Actions
from omc_runbook.runbooks.button import nothing_to_offer
from omc_runbook.runbooks.final_answer import FinalAnswer, links
from omc_runbook.runbooks.form import form
from omc_runbook.runbooks.own_parameters import takes_parameters
from omc_runbook.runbooks.pickers import Picker
from omc_runbook.runbooks.run import Run, Target, now
from omc_runbook.runbooks.several_environments import reach_some, try_each
from omc_runbook.snapshot.audit.exposure import compare_among
from omc_runbook.snapshot.gatherer import SharedCalls
from omc_runbook.snapshot.state import Snapshot

__all__ = [
    "form",
    "begin",
    "look",
    "pickers",
    "diagnose",
    "lights",
    "ages",
    "lives",
    "readers",
    "writers",
    "accesses",
    "heat_map",
    "access_timeline",
    "changes",
    "monitoring",
    "missing",
    "exposure",
    "unused",
    "lifecycle",
    "findings",
    "conclude",
    "by_hand",
    "answer",
]
"""All that the notebook calls, in its order."""

_READ = (
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetEventSelectors",
    "cloudtrail:GetTrailStatus",
    "cloudtrail:LookupEvents",
    "cloudwatch:DescribeAlarmsForMetric",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:ListServices",
    "ecs:ListTasks",
    "events:ListRules",
    "iam:GenerateServiceLastAccessedDetails",
    "iam:GetAccountAuthorizationDetails",
    "iam:GetServiceLastAccessedDetails",
    "logs:DescribeLogStreams",
    "logs:DescribeMetricFilters",
    "logs:GetLogEvents",
    "organizations:DescribeOrganization",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListResourcePolicies",
    "secretsmanager:ListSecretVersionIds",
    "secretsmanager:ListSecrets",
    "sns:GetTopicAttributes",
    "sns:ListSubscriptionsByTopic",
)
"""To know the secret, who uses it, who may and did read it, and who would notice. Whether tasks may is verify's."""
_MORE = (
    "for a rule of EventBridge that matches a read, events: ListTargetsByRule",
    "for a secret that a function rotates, lambda: GetFunctionConfiguration",
    "where Lambda may assume a role that reads the secret, lambda: ListFunctions",
    "for a trail's files or an event data store ([audit] in runbook.toml) under a customer managed key, kms: Decrypt",
    "in an organization, organizations: ListParents, ListPoliciesForTarget, DescribePolicy",
)
ACTIONS = Actions(plan=_READ, sometimes=_MORE, compares_environments=True, reads_trails=True)

PARALLEL = 4
"""How many environments are read at a time."""
MOST_DAYS = HISTORY_KEEPS.days
"""How far back CloudTrail's event history goes; a trail's files and CloudTrail Lake go further."""


@takes_parameters
def begin(environment: str, runbook_toml: str = "", days: int = MOST_DAYS) -> Run:
    """Begin on the environments of a list, which is mostly one; of several, some may be out of reach.

    Raises UsageError for days of which no events can be read, and as `reach_some` does.
    """
    if days < 1:
        raise UsageError("days must be at least 1. Nothing was read.")
    started, names = now(), split_names("environment", environment) or (environment,)
    targets, unread = reach_some(AUDIT, names, runbook_toml)
    run = Run(runbook=AUDIT, started=started, targets=targets, unread=unread, days=days)
    if days > MOST_DAYS and not all(each.environment.audit.reaches_back for each in run.every):
        raise UsageError(
            f"days must be from 1 to {MOST_DAYS}: CloudTrail's event history goes no further back. With trail_s3"
            " or event_data_store in [audit] of runbook.toml, a trail's files or CloudTrail Lake are read instead."
            " Nothing was read."
        )
    run.announce()
    return unfinished.with_unfinished(run, nothing_to_offer)


@takes_parameters
def look(run: Run, repository: str = "", days: int = MOST_DAYS) -> Snapshots:
    """Read every environment, side by side, with events of so many days; where none can be, raises as `Target.look`.

    What environments of one account have in common is read once.
    """

    shared = SharedCalls()

    def read(target: Target) -> Snapshot:
        return target.look(repository, audit_days=days, shared=shared)

    by_position = {position: each.environment for position, each in enumerate(run.every) if each not in run.unread}
    with ThreadPoolExecutor(PARALLEL, "audit") as pool:
        reads = {target.environment.name: pool.submit(copy_context().run, read, target) for target in run.targets}
        snapshots, unread = try_each(by_position, lambda environment: reads[environment.name].result(), run.every)
    return Snapshots(compare_among(snapshots), sorted((*run.unread, *unread), key=lambda each: each.position))


@takes_parameters
def pickers(run: Run, environment: str) -> tuple[Picker, ...]:
    """What the form offers: environments."""
    return (replace(choices.environments(run.target.environment, environment), parameter="environment"),)


@takes_parameters
def diagnose(snapshots: Snapshots, ask_issuers: bool = False) -> AuditFindings:
    """Run every check of an audit on each snapshot; of an environment that was not read, that is the finding.

    With `ask_issuers`, former values of keys with a `check` are sent to where they used to be accepted, to see whether
    they still are.
    """
    found = {name: root_causes.audit(snapshot) for name, snapshot in snapshots.items()}
    if ask_issuers:
        for name, snapshot in snapshots.items():
            found[name] += acceptance.accept(former_values.find_alive(snapshot), snapshot)
    own = own_parameters.to_finish(AUDIT)
    for each in snapshots.unread:
        again = Remedy(runbook=AUDIT, parameters={**own, **each.environment.parameters})
        found[each.environment.name] = (each.finding(again),)
    return found


def conclude(run: Run, snapshots: Snapshots, findings: AuditFindings) -> Banner:
    """How the run ended, and its tables for the record; raises as `conclude.end` and `keep_tables` do."""
    run_end.keep_tables(report.tables(snapshots, findings))
    return _of_read(run, snapshots).conclude(report.merge(findings), by_target=findings)


def by_hand(run: Run) -> Listing:
    """The commands for the same."""
    return report.by_hand(run.environment)


def answer(run: Run, snapshots: Snapshots, findings: AuditFindings) -> FinalAnswer:
    """The lights again, and what to do."""
    final = _of_read(run, snapshots).answer(report.merge(findings), next(iter(snapshots.values())))
    return FinalAnswer(Group(lights(snapshots, findings, has_page=False), final), links=tuple(links(final)))


def _of_read(run: Run, snapshots: Snapshots) -> Run:
    """The run with those environments as its targets that were read."""
    targets = (target for target in run.targets if target.environment.name in snapshots)
    return replace(run, targets=tuple(targets), unread=snapshots.unread)
