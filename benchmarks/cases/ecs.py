"""Deployments, tasks, networks, ECS Exec, and what else a task refers to: cases from AWS's documentation."""

from cases.case import Case

CASES: tuple[Case, ...] = ()
