"""Other environments' secrets: their keys, and keyed fingerprints of their values; no value is kept."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from omc_runbook.aws import secretsmanager
from omc_runbook.aws.failures import ReadFailure, attempt
from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.masking.document import Document, DocumentError, parse
from omc_runbook.masking.fingerprint import fingerprint
from omc_runbook.masking.value import Masked
from omc_runbook.model.aws_names import Names
from omc_runbook.model.catalogue import Key
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.model.letters import lower_first
from omc_runbook.snapshot.roles import GET_SECRET_VALUE

SETTING = 16
"""Up to this many characters, the value of a key outside the catalogue counts as a setting, such as a port."""

PARALLEL = 8


@dataclass(frozen=True)
class OtherKeys:
    """The keys of another environment's secret; None where it does not exist, or `unread` says why it was not read."""

    names: frozenset[str] | None
    unread: str = ""


def read_keys(clients: Clients, caller: Caller, environment: Environment) -> dict[str, OtherKeys]:
    """The keys of other environments' secrets, by environment; those that need another sign-in are left out."""
    own, others = environment.names, environment.others
    readable = {name: names for name, names in others.items() if not elsewhere(caller, own, names)}
    with ThreadPoolExecutor(PARALLEL, "keys") as pool:
        futures = {name: pool.submit(_document, clients, names) for name, names in readable.items()}
    keys = {}
    for name, answer in futures.items():
        document = answer.result()
        if isinstance(document, str):
            keys[name] = OtherKeys(None, document)
        else:
            keys[name] = OtherKeys(frozenset(document.keys) if document else None)
    return keys


def secrets_within_reach(caller: Caller, environment: Environment) -> tuple[str, ...]:
    """The ARNs, or patterns of them, of other environments' secrets that need no other sign-in.

    A secret that does not exist has no suffix, and by its name alone one learns that it does not.
    """
    own, arns = environment.names, list[str]()
    for other in environment.others.values():
        if not elsewhere(caller, own, other):
            base = f"arn:{caller.partition}:secretsmanager:{other.region}:{caller.account}:secret:{other.secret}"
            arns += [other.secret] if other.secret.startswith("arn:") else [base, f"{base}-??????"]
    return tuple(arns)


def read_fingerprints(
    clients: Clients, caller: Caller, own: Names, others: Mapping[str, Names], catalogue: Mapping[str, Key], key: bytes
) -> dict[str, dict[str, str] | str]:
    """By environment, its secret's keys by the fingerprints of their values under `key`, or why it could not be read.

    `own` are the names whose sign-in `clients` use: an environment with another one is not read. Only values that may
    be secret count.
    """
    with ThreadPoolExecutor(PARALLEL, "compare") as pool:
        futures = {
            name: pool.submit(_keys_by_fingerprint, clients, caller, own, names, catalogue, key)
            for name, names in others.items()
        }
    return {name: answer.result() for name, answer in futures.items()}


def may_be_secret(value: Masked, key: Key | None) -> bool:
    """Whether environments must not share a value: it is issued or generated, and not a mere setting."""
    if key is None:
        return value.length > SETTING
    return not value.is_empty and bool(key.generate or key.obtain_from)


def _keys_by_fingerprint(
    clients: Clients, caller: Caller, own: Names, other: Names, catalogue: Mapping[str, Key], key: bytes
) -> dict[str, str] | str:
    document = elsewhere(caller, own, other) or _document(clients, other)
    if isinstance(document, str):
        return document
    return {
        fingerprint(member.injected, key): member.key
        for member in (document.members if document else ())
        if may_be_secret(member.injected, catalogue.get(member.key))
    }


def elsewhere(caller: Caller, own: Names, other: Names) -> str:
    """Why an environment is out of reach of these credentials; "" where it may be within."""
    if other.account_id not in ("", caller.account):
        return f"it is in account {other.account_id}."
    if not other.account_id and other.profile != own.profile:
        return "it has a profile of its own in runbook.toml."
    if not other.account_id and other.role_arn != own.role_arn:
        return "its role_arn in runbook.toml is another."
    return ""


def _document(clients: Clients, other: Names) -> Document | str | None:
    """The content of another environment's secret, None where it does not exist, or why it could not be read."""
    try:
        value = attempt(
            f"secret {other.secret}",
            GET_SECRET_VALUE,
            lambda: secretsmanager.get_value(clients("secretsmanager", other.region), other.secret, CURRENT),
        )
        if isinstance(value, ReadFailure):
            return _as_clause(value.sentence)
        return parse(value.text) if value and value.text else None
    except (CouldNotLook, DocumentError) as error:
        return _as_clause(str(error))


def _as_clause(sentence: str) -> str:
    return sentence if sentence.startswith("AWS") else lower_first(sentence)
