"""Faults of the network: routes, endpoints, security groups and ACLs between tasks and Secrets Manager."""

from omc_runbook.sandbox.faults.fault import Fault


def faults() -> tuple[Fault, ...]:
    """The faults of this family."""
    return ()
