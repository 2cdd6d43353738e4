"""What troubleshoot.ipynb does: go from a symptom to its root cause, and fix what can be fixed."""

from __future__ import annotations

from functools import partial

from omc_runbook.changes.fix.advice import follow
from omc_runbook.diagnosis.complaint import read_complaint
from omc_runbook.report import verify
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.fix import manual_fixes
from omc_runbook.report.fix import plan as steps
from omc_runbook.report.troubleshoot import evidence, remedies, rest, ruled_out, state, texts, unseen, verdict
from omc_runbook.runbooks import pickers as choices
from omc_runbook.runbooks import plan_review, unfinished
from omc_runbook.runbooks.actions import (
    DEPLOY,
    LOOK_INSIDE_FAILED,
    MORE_TO_CHANGE,
    MORE_TO_READ,
    MOVE_LABEL,
    READ_WITH_ACCESS,
    REGISTER_DEFINITION,
    WITH_CHECKOUT,
    Actions,
)
from omc_runbook.runbooks.fix import closing, diagnose, look, plan
from omc_runbook.runbooks.form import form
from omc_runbook.runbooks.pickers import Picker
from omc_runbook.runbooks.plan_review import review
from omc_runbook.runbooks.run import Run
from omc_runbook.snapshot.state import Snapshot

__all__ = [
    "form",
    "parameters",
    "read_complaint",
    "begin",
    "look",
    "pickers",
    "state",
    "diagnose",
    "verdict",
    "evidence",
    "ruled_out",
    "texts",
    "plan",
    "follow",
    "remedies",
    "unseen",
    "rest",
    "steps",
    "manual_fixes",
    "review",
    "closing",
    "by_hand",
]
"""All that the notebook calls, in its order."""

_READ_DEEPLY = (
    "ec2:DescribeInternetGateways",
    "ec2:DescribeNatGateways",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
    "ecs:ExecuteCommand",
    "ecs:ListDaemons",
    "events:ListEventBuses",
    "events:ListRuleNamesByTarget",
    "scheduler:ListSchedules",
)
_GRANT = ("iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy", "iam:PutRolePolicy")
"""A permission is given only to a role whose other policies are known."""
ACTIONS = Actions(
    plan=(*READ_WITH_ACCESS, *_READ_DEEPLY),
    apply=("secretsmanager:RestoreSecret", *MOVE_LABEL, *_GRANT, *REGISTER_DEFINITION, *DEPLOY),
    sometimes=(
        *MORE_TO_READ,
        "for what EventBridge starts, events: DescribeRule, ListTargetsByRule, scheduler: GetSchedule",
        "for daemons, ecs: DescribeDaemon, DescribeDaemonRevisions, DescribeDaemonTaskDefinition",
        LOOK_INSIDE_FAILED,
        WITH_CHECKOUT,
    ),
    sometimes_to_apply=(*MORE_TO_CHANGE, "where tasks fail with a new permission, iam: DeleteRolePolicy"),
    mostly_applies=False,
)


parameters = partial(plan_review.parameters, "troubleshoot")
"""The notebook's parameters, or those of the plan's file."""

begin = partial(unfinished.begin, "troubleshoot")
"""Begins on one environment; raises as `run.reach` does."""


def pickers(run: Run, snapshot: Snapshot, symptom: str, service: str) -> tuple[Picker, ...]:
    """What the form offers: symptoms and services."""
    return choices.environment(run.environment), choices.symptom(symptom), choices.service(snapshot, service)


def by_hand(run: Run) -> Listing:
    """The guide's own commands for the same."""
    return verify.by_hand(run.environment)
