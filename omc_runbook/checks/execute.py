"""Faults of ECS Exec: what keeps a look into a running task from being taken."""

from __future__ import annotations

from omc_runbook.checks.check import Check

CHECKS: tuple[Check, ...] = ()
