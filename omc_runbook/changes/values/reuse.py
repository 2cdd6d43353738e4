"""Refuses new values that another environment has too."""

from __future__ import annotations

from collections.abc import Mapping

from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.changes.values.sources import GENERATED
from omc_runbook.masking.fingerprint import fingerprint, new_key
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import UsageError
from omc_runbook.snapshot.other_environments import may_be_secret, read_fingerprints


def compare(clients: Clients, environment: Environment, caller: Caller, new: Mapping[str, NewValue]) -> tuple[str, ...]:
    """Raise UsageError for a new value that another environment has too, under any key.

    Only secrets are compared: of keys that are generated or obtained, and long values of keys that the catalogue does
    not have. A value that was generated just now is nobody else's. Returns a sentence for each environment that could
    not be compared.
    """
    secrets = {
        key: entry
        for key, entry in new.items()
        if not entry.origin.startswith(GENERATED) and may_be_secret(entry.value, environment.keys.get(key))
    }
    fingerprint_key, own_names = new_key(), environment.names
    others = {
        name: names
        for name, names in environment.others.items()
        if secrets and (names.secret, names.region) != (own_names.secret, own_names.region)
    }
    notes = []
    for name, other_fingerprints in read_fingerprints(
        clients, caller, own_names, others, environment.keys, fingerprint_key
    ).items():
        if isinstance(other_fingerprints, str):
            notes.append(f"The new values could not be compared with {name}: {other_fingerprints}")
            continue
        for key, entry in secrets.items():
            same_key = other_fingerprints.get(fingerprint(entry.value, fingerprint_key))
            if same_key:
                raise UsageError(_sentence(environment, key, entry, f"{name}'s {same_key}"))
    return tuple(notes)


def _sentence(environment: Environment, key: str, entry: NewValue, other_key: str) -> str:
    advice = "" if key in environment.keys else f" (or, if it is not a secret, a table [keys.{key}] in runbook.toml)"
    return (
        f"{key} from {entry.origin} is the value of {other_key}: give {environment.name} a value of its own{advice}."
        " Nothing was written."
    )
