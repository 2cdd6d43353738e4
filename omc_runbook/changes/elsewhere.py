"""What other environments' secrets hold: new values are compared with it by fingerprint, and nothing of it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from omc_runbook.aws import secretsmanager
from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.aws.session import Clients, Unread, look
from omc_runbook.aws.sts import Caller
from omc_runbook.catalogue import Key
from omc_runbook.changes.source import Given
from omc_runbook.document import DocumentError, parse
from omc_runbook.environment import Environment, Names
from omc_runbook.errors import CouldNotLook, UsageError
from omc_runbook.masking.fingerprint import fingerprint, new_key
from omc_runbook.masking.value import Masked
from omc_runbook.snapshot.roles import GET_SECRET_VALUE

SETTING = 16
"""Characters up to which the value of a key that the catalogue lacks is taken for a setting, as a port is one."""

PARALLEL = 8


def compare(clients: Clients, environment: Environment, caller: Caller, new: Mapping[str, Given]) -> tuple[str, ...]:
    """Refuse new values that another environment has too; gives a sentence on each that could not be compared with.

    Only secrets count, under whatever key the other environment has them: what may be generated or has to be
    obtained, and long values that the catalogue does not know. Raises UsageError.
    """
    secrets = {key: entry for key, entry in new.items() if _is_secret(entry.value, environment.keys.get(key))}
    mark, own = new_key(), environment.names
    others = {
        name: names
        for name, names in environment.others.items()
        if secrets and (names.secret, names.region) != (own.secret, own.region)
    }
    with ThreadPoolExecutor(PARALLEL, "compare") as pool:
        asked = {
            name: pool.submit(_keys_by_print, clients, environment, caller, names, mark)
            for name, names in others.items()
        }
    notes = []
    for name, answer in asked.items():
        theirs = answer.result()
        if isinstance(theirs, str):
            notes.append(f"The new values could not be compared with {name}: {theirs}")
            continue
        for key, entry in secrets.items():
            same = theirs.get(fingerprint(entry.value, mark))
            if same:
                raise UsageError(_sentence(environment, key, entry, f"{name}'s {same}"))
    return tuple(notes)


def _is_secret(value: Masked, key: Key | None) -> bool:
    if key is None:
        return value.length > SETTING
    return not value.is_empty and bool(key.generate or key.obtain_from)


def _keys_by_print(
    clients: Clients, environment: Environment, caller: Caller, other: Names, mark: bytes
) -> dict[str, str] | str:
    """Another environment's secret keys by their values' fingerprints, or why they could not be had."""
    if other.account_id not in ("", caller.account):
        return f"it is in account {other.account_id}."
    if not other.account_id and other.profile != environment.names.profile:
        return "it has a profile of its own in runbook.toml."
    try:
        value = look(
            f"secret {other.secret}",
            GET_SECRET_VALUE,
            lambda: secretsmanager.get_value(clients("secretsmanager", other.region), other.secret, CURRENT),
        )
        if isinstance(value, Unread):
            return _as_clause(value.sentence)
        document = parse(value.text) if value and value.text else None
    except (CouldNotLook, DocumentError) as error:
        return _as_clause(str(error))
    return {
        fingerprint(member.injected, mark): member.key
        for member in (document.members if document else ())
        if _is_secret(member.injected, environment.keys.get(member.key))
    }


def _as_clause(sentence: str) -> str:
    return sentence if sentence.startswith("AWS") else sentence[0].lower() + sentence[1:]


def _sentence(environment: Environment, key: str, entry: Given, theirs: str) -> str:
    known = "" if key in environment.keys else f" (or, if it is no secret, a table [keys.{key}] in runbook.toml)"
    return (
        f"{key} from {entry.origin} is the value of {theirs}: give {environment.name} a value of its own{known}."
        " Nothing was written."
    )
