"""Faults of the network: what keeps tasks from reaching Secrets Manager."""

from __future__ import annotations

from omc_runbook.checks.check import Check

CHECKS: tuple[Check, ...] = ()
