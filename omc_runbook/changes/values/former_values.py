"""Former values, tried after a rotation where they used to be accepted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from omc_runbook.aws import secretsmanager
from omc_runbook.aws.failures import ReadFailure, look
from omc_runbook.aws.secretsmanager import PREVIOUS
from omc_runbook.aws.session import Clients
from omc_runbook.changes.database import connection as database_connection
from omc_runbook.changes.database.rotation import UNFIT
from omc_runbook.changes.secret import new_values
from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import SecretPlan, is_database_password
from omc_runbook.changes.values import live_check
from omc_runbook.changes.values.live_check import Verdict
from omc_runbook.changes.values.sources import KEEP, rotate_command
from omc_runbook.checks import remedies
from omc_runbook.masking import registry
from omc_runbook.masking.document import Document, parse
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import Key
from omc_runbook.model.findings import Finding, Remedy
from omc_runbook.snapshot.follow_ups import contents_of
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionHistory

FORMER_ALIVE = "former-alive"
"""The check of an audit's finding about one."""
MOST_FORMER = 3
"""How many former values of a key an audit tries: issuers lock out clients that try many."""

CONNECTION_LIMIT = re.compile(r"(?i)too many|connection slots")
"""What PostgreSQL says where it refuses a login only for now, after it has accepted the password."""

_of = partial(
    Finding, check="old-value-alive", family="secret", title="The former value still works", severity="warning"
)


@dataclass(frozen=True)
class Trial:
    """A key with its former and its current value, and the documents that these are from."""

    name: str
    key: Key
    former: Masked
    current: Masked
    before: Document
    document: Document


@dataclass(frozen=True, kw_only=True)
class Logins:
    """Where the database's former and current password are tried, and with which login role each."""

    url: Masked
    server: str
    """host:port"""
    former_role: str
    role: str


def judge(
    clients: Clients, snapshot: Snapshot, plan: SecretPlan, new: NewValues, with_database: bool = True
) -> tuple[Finding, ...]:
    """Try the former value of each changed key that has a `check`, and of the database's password; writes nothing.

    One finding a key: found where the value is still accepted, clear where it is refused while the current one is
    accepted, else unknown. `snapshot` was taken after the change. A run that changes nothing tries the keys that it was
    asked for with the values of AWSPREVIOUS. Without `with_database` its password is left out. Raises CouldNotLook
    where AWS cannot be reached.
    """
    environment = snapshot.environment
    changed = {change.key for change in plan.changed} | set(new.written.keys if new.written else ())
    names = [
        name
        for name, key in environment.keys.items()
        if (key.check and name in changed | {*new.keys})
        or (
            with_database
            and is_database_password(environment.keys, name)
            and (name in changed or (name in new.keys and new.database_url))
        )
    ]
    if not names:
        return ()
    before = _former_document(clients, snapshot, plan, new)
    if isinstance(before, str):
        return tuple(_unknown(name, before) for name in names)
    if before is None:
        return ()
    trials = (_trial(name, environment.keys[name], before, parse(plan.text)) for name in names)
    return tuple(_judge(snapshot, trial, new) for trial in trials if trial)


def find_alive(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Try the newest former values of each key that has a `check` where they used to be accepted; writes nothing.

    One finding a key, as by `attempt`, from an audit's history of versions. The former values leave this machine, so
    this runs only on request.
    """
    history, content = snapshot.audit.history, snapshot.current
    document = content.document if content else None
    if history is None or document is None:
        return ()
    keys = {name: key for name, key in snapshot.environment.keys.items() if key.check and document.get(name)}
    return tuple(finding for name, key in keys.items() if (finding := _judge_former(name, key, document, history)))


def _judge_former(name: str, key: Key, document: Document, history: VersionHistory) -> Finding | None:
    """The finding about a key's former values; None where it had no other value."""
    server, verdicts = live_check.server_of(document, key), list[tuple[str, Verdict]]()
    for before, created in _former(name, document, history):
        trial = _trial(name, key, before, document)
        if trial:
            verdicts.append((f"{created:%Y-%m-%d}", _try(trial)))
    if not verdicts:
        return None
    of = partial(_of, check=FORMER_ALIVE, family="audit", title="A former value still works", subject=name)
    alive = [moment for moment, verdict in verdicts if verdict[0] == "accepted"]
    unclear = [verdict[1] for _, verdict in verdicts if verdict[0] == "unknown"]
    if alive:
        fact = f"{server} still accepts the value of {name} that was written on {' and on '.join(alive)}."
        where = key.obtain_from or server
        return of(status="found", evidence=(fact,), remedy=Remedy(f"Revoke it at {where}."))
    if unclear:
        fact = f"Former values of {name} could not be tried at {server}: {unclear[0]}."
        return of(status="unknown", evidence=(fact,))
    count = f"{len(verdicts)} former values" if len(verdicts) > 1 else "the former value"
    return of(status="clear", evidence=(f"{server} refused {count} of {name} and accepted the current one.",))


def _former(name: str, document: Document, history: VersionHistory) -> Iterator[tuple[Document, datetime]]:
    """The newest versions with another value of a key, each value once, and when it was first written."""
    values, found = [document.get(name)], list[tuple[Document, datetime]]()
    for version in history.versions:
        before = version.content.document if version.content else None
        member = before.get(name) if before else None
        if before is None or member is None or member.injected.is_empty or version.promoted is False:
            continue
        if not any(value and value.injected.same_as(member.injected) for value in values):
            values.append(member)
            found.append((before, version.version.created))
    yield from found[:MOST_FORMER]


def _former_document(clients: Clients, snapshot: Snapshot, plan: SecretPlan, new: NewValues) -> Document | str | None:
    """The document before the change; None where there is none, a sentence where it could not be read."""
    if new.written and new.written.is_current:
        return new.written.before
    version = plan.base if plan.changed else _previous(snapshot)
    if not version:
        return None
    client, name = clients("secretsmanager"), plan.secret_name
    read = partial(secretsmanager.get_value, client, name, version_id=version)
    content = snapshot.contents.get(version)
    if content is None:
        value = look(f"version {version} of {name}", GET_SECRET_VALUE, read)
        if isinstance(value, ReadFailure):
            return value.sentence
        content = contents_of(value).get(version)
    return content.document if content else f"Version {version} of {name} is gone, so that its values were not tried."


def _previous(snapshot: Snapshot) -> str:
    """The id of AWSPREVIOUS; "" where there is none, and where it is newer: then AWSCURRENT was moved back."""
    created = {version.id: version.created for version in snapshot.versions}
    previous, current = map(snapshot.version_at, (PREVIOUS, secretsmanager.CURRENT))
    is_older = previous in created and current in created and created[previous] < created[current]
    return previous if is_older else ""


def _trial(name: str, key: Key, before: Document, document: Document) -> Trial | None:
    former, current = before.get(name), document.get(name)
    if former is None or current is None or former.injected.is_empty or former.injected.same_as(current.injected):
        return None
    return Trial(name, key, former.injected, current.injected, before, document)


def _judge(snapshot: Snapshot, trial: Trial, new: NewValues) -> Finding:
    environment = snapshot.environment
    if is_database_password(environment.keys, trial.name):
        return _judge_database(snapshot, trial, new)
    server = live_check.server_of(trial.before, trial.key)
    verdict = _try(trial)
    where = trial.key.obtain_from or server
    command = rotate_command(environment, keys=trial.name, values_from=KEEP)
    advice = f"Revoke the former {trial.name} at {where}. To check that it no longer works: {command}."
    return _finding(trial.name, verdict, server, Remedy(advice))


def _judge_database(snapshot: Snapshot, trial: Trial, new: NewValues) -> Finding:
    environment, logins = snapshot.environment, _logins(snapshot, trial, new)
    if logins is None:
        parameters = {"keys": trial.name, "values_from": KEEP, "database_url_from": new.database_url_from}
        again = rotate_command(environment, **parameters)
        return _unknown(
            trial.name,
            f"The former value of {trial.name} was not tried, without database_url_from. To try it: {again}.",
        )
    verdict = _confirmed(
        _log_in(logins, logins.former_role, trial.former), lambda: _log_in(logins, logins.role, trial.current)
    )
    if logins.former_role == logins.role:
        advice = (
            f"Find out what accepts it at {logins.server}, such as a pooler with passwords of its own, and remove it"
            " there."
        )
        return _finding(trial.name, verdict, logins.server, Remedy(advice))
    advice = f"If it leaked, rotate once more: {logins.former_role} gets a new password then."
    parameters = {"keys": trial.name, "database_url_from": new.database_url_from}
    remedy = remedies.with_runbook("rotate", environment, Remedy(advice), **parameters)
    finding = _finding(trial.name, verdict, logins.server, remedy)
    return replace(finding, severity="info") if finding.status == "found" else finding


def _logins(snapshot: Snapshot, trial: Trial, new: NewValues) -> Logins | None:
    """The login roles of both values; None without the database's URL."""
    if new.rotation:
        plan = new.rotation
        return Logins(url=plan.url, server=plan.server, former_role=plan.former_role, role=plan.role)
    if new.database_url is None:
        return None
    in_url = database_connection.login_of(new.database_url)
    user, address = (in_url.user, f"{in_url.host}:{in_url.port or 5432}") if in_url else ("", "")
    former_role, role = (
        new_values.login_text(snapshot, document, trial.key.login) or user
        for document in (trial.before, trial.document)
    )
    # Names of login roles are not secret, and the findings show them.
    registry.exempt({former_role, role} - {""})
    server = new_values.database_server(snapshot, trial.document) or address
    return Logins(url=new.database_url, server=server, former_role=former_role, role=role)


def _log_in(logins: Logins, role: str, password: Masked) -> Verdict:
    if password.matches(UNFIT):
        return "refused", "it cannot be a password in PostgreSQL"
    refusal = database_connection.log_in(logins.url, role, password, logins.server)
    if refusal is None:
        return "accepted", ""
    is_refused = refusal.password_checked and not CONNECTION_LIMIT.search(refusal.reason)
    return ("refused" if is_refused else "unknown"), refusal.reason


def _try(trial: Trial) -> Verdict:
    former = live_check.attempt(trial.before, trial.key, trial.former)
    return _confirmed(former, partial(live_check.attempt, trial.document, trial.key, trial.current))


def _confirmed(former: Verdict, attempt_current: Callable[[], Verdict]) -> Verdict:
    """The verdict on a former value; a refusal only counts while the current value is accepted."""
    if former[0] != "refused":
        return former
    current, reason = attempt_current()
    return former if current == "accepted" else ("unknown", f"the current value was not accepted either ({reason})")


def _finding(name: str, verdict: Verdict, server: str, remedy: Remedy) -> Finding:
    decision, reason = verdict
    if decision == "unknown":
        return _unknown(name, f"The former value of {name} could not be tried at {server}: {reason}.")
    if decision == "refused":
        evidence = f"{server} refused the former value of {name} ({reason}) and accepted the current one."
        return _of(status="clear", subject=name, evidence=(evidence,))
    evidence = f"{server} still accepts the value that {name} had before this change."
    return _of(status="found", subject=name, evidence=(evidence,), remedy=remedy)


def _unknown(name: str, sentence: str) -> Finding:
    return _of(status="unknown", subject=name, evidence=(sentence,))
