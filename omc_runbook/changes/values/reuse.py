"""New values that another environment has too, which are refused."""

from __future__ import annotations

from collections.abc import Mapping

from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.changes.values.source_file import Given
from omc_runbook.masking.fingerprint import fingerprint, new_key
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import UsageError
from omc_runbook.snapshot.other_environments import may_be_secret, read_fingerprints


def compare(clients: Clients, environment: Environment, caller: Caller, new: Mapping[str, Given]) -> tuple[str, ...]:
    """Refuse new values that another environment has too; gives a sentence on each that could not be compared with.

    Only secrets count, under whatever key the other environment has them: what may be generated or has to be
    obtained, and long values that the catalogue does not know. Raises UsageError.
    """
    secrets = {key: entry for key, entry in new.items() if may_be_secret(entry.value, environment.keys.get(key))}
    mark, own = new_key(), environment.names
    others = {
        name: names
        for name, names in environment.others.items()
        if secrets and (names.secret, names.region) != (own.secret, own.region)
    }
    notes = []
    for name, theirs in read_fingerprints(clients, caller, own.profile, others, environment.keys, mark).items():
        if isinstance(theirs, str):
            notes.append(f"The new values could not be compared with {name}: {theirs}")
            continue
        for key, entry in secrets.items():
            same = theirs.get(fingerprint(entry.value, mark))
            if same:
                raise UsageError(_sentence(environment, key, entry, f"{name}'s {same}"))
    return tuple(notes)


def _sentence(environment: Environment, key: str, entry: Given, theirs: str) -> str:
    known = "" if key in environment.keys else f" (or, if it is no secret, a table [keys.{key}] in runbook.toml)"
    return (
        f"{key} from {entry.origin} is the value of {theirs}: give {environment.name} a value of its own{known}."
        " Nothing was written."
    )
