"""Faults of ECS Exec: what keeps a command from being run in a task."""

from omc_runbook.sandbox.faults.fault import Fault


def faults() -> tuple[Fault, ...]:
    """The faults of this family."""
    return ()
