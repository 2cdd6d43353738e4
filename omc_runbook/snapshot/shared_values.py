"""Compares local secrets with other environments', by keyed fingerprints, in memory only."""

from __future__ import annotations

from collections.abc import Iterator

from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.masking.fingerprint import fingerprint, login_fingerprint, new_key
from omc_runbook.model.environment import LOCAL, Environment
from omc_runbook.snapshot.other_environments import read_fingerprints
from omc_runbook.workstation.workstation import SharedValues, Workstation, is_value


def compare(clients: Clients, caller: Caller, environment: Environment, workstation: Workstation) -> SharedValues:
    """Which secret values of the .env another environment's secret also has, and which of its values git holds."""
    names = dict(environment.others) | ({environment.name: environment.names} if environment.name != LOCAL else {})
    history = workstation.history
    key = history.key if history else new_key()
    local = list(_fingerprints(workstation, key))
    same: dict[str, str] = {}
    unread, compared, published = [], [], []
    for other, keys in read_fingerprints(clients, caller, environment.names, names, environment.keys, key).items():
        if isinstance(keys, str):
            unread.append(f"Local values could not be compared with {other}: {keys}")
            continue
        compared.append(other)
        same |= {name: f"{other}'s {keys[print_]}" for name, print_ in local if print_ in keys}
        locations = history.locations if history else {}
        located = ((name, each) for print_, name in keys.items() for each in locations.get(print_, {}).values())
        published += [(f"{other}'s {name}", location) for name, location in located]
    return SharedValues(same, tuple(unread), tuple(compared), tuple(published))


def _fingerprints(workstation: Workstation, key: bytes) -> Iterator[tuple[str, str]]:
    """The variables of the .env with a secret, or a URL with a password, each with its fingerprint."""
    for binding in workstation.bindings:
        value = binding.value
        if value is not None and is_value(value):
            if workstation.is_secret(binding.name):
                yield binding.name, fingerprint(value, key)
            yield binding.name, login_fingerprint(value, key)
