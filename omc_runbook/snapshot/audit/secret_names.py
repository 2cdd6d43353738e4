"""The names by which callers may mean the secret, and the regions that have it."""

from __future__ import annotations

from omc_runbook.snapshot.state import Snapshot


def names_of(snapshot: Snapshot) -> frozenset[str]:
    """The secret's name and ARN, the ARN without its random suffix, and the ARNs of its replicas."""
    secret = snapshot.secret
    if secret is None:
        return frozenset({snapshot.secret_name, snapshot.environment.names.secret})
    home = secret.region
    arns = [secret.arn.replace(f":{home}:", f":{region}:", 1) for region in (home, *replica_regions(snapshot))]
    return frozenset({secret.name, *arns, *(arn.rpartition("-")[0] for arn in arns)})


def replica_regions(snapshot: Snapshot) -> tuple[str, ...]:
    """The other regions that have a replica of the secret; one in another account is not read here."""
    locations = [each.location for each in snapshot.secret.replicas] if snapshot.secret else []
    return tuple(each for each in locations if not each.startswith("arn:"))
