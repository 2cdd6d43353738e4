"""What the account has where a configured name does not exist, and how to take it over."""

from __future__ import annotations

from omc_runbook.checks import remedies
from omc_runbook.model.findings import Remedy
from omc_runbook.snapshot.state import Snapshot


def found_instead(snapshot: Snapshot) -> tuple[str, ...]:
    """What was found for the environment under other names, in sentences."""
    return snapshot.discovery.sentences if snapshot.discovery else ()


def find_names(snapshot: Snapshot) -> Remedy | None:
    """The command that writes the names that were found to runbook.toml; None where nothing was found."""
    found = snapshot.discovery
    return remedies.find_names(snapshot.environment) if found and (found.secret or found.cluster) else None


def secret_in_use(snapshot: Snapshot) -> str:
    """Another secret to which the environment's services refer instead of the configured one; "" for none.

    Where a service refers to the configured one, that is missing.
    """
    found = snapshot.discovery
    if found is None or not found.is_referred_to or found.secret == snapshot.secret_name:
        return ""
    is_awaited = any(snapshot.secret_name in service.keys_by_secret for service in found.own_services)
    return "" if is_awaited else found.secret
