"""Faults inside a running task: its process holds another value than ECS gave it."""

from omc_runbook.sandbox.faults.fault import Fault


def faults() -> tuple[Fault, ...]:
    """The faults of this family."""
    return ()
