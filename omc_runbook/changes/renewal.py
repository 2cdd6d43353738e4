"""Renewing keys: new values made or asked for, those of a killed run taken up again, and what the database does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omc_runbook.aws import secretsmanager
from omc_runbook.aws.secretsmanager import CURRENT, PREVIOUS
from omc_runbook.aws.session import Clients, Unread, look
from omc_runbook.changes import database, given
from omc_runbook.changes.database import Turn
from omc_runbook.changes.plan import current_id, document_of
from omc_runbook.changes.source import Given
from omc_runbook.changes.writing import LABEL as OURS
from omc_runbook.document import Document
from omc_runbook.errors import CouldNotLook, UsageError
from omc_runbook.masking import kernel, registry
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.settling import contents_of
from omc_runbook.snapshot.state import Snapshot

LABEL = f"{OURS}rotate-"
"""How the staging label begins that a version of a rotation holds until it is proved or taken back."""

ORIGIN = "the rotation that was not finished"
GENERATE = "generate"


@dataclass(frozen=True)
class Unfinished:
    """What a killed rotation has left: its version, the one before it, and the two documents."""

    version_id: str
    base: str
    is_current: bool
    document: Document
    before: Document

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys to which it gave other values."""
        return tuple(
            member.key
            for member in self.document.members
            for old in [self.before.get(member.key)]
            if old is None or not old.injected.same_as(member.injected)
        )


@dataclass(frozen=True)
class Renewal:
    """New values, what the database does with one of them, what a killed run has left, and sentences on all that."""

    values: Mapping[str, Given]
    turn: Turn | None = None
    password: Masked | None = None
    """The new one of the database."""
    former_password: Masked | None = None
    unfinished: Unfinished | None = None
    notes: tuple[str, ...] = ()


def renew(
    clients: Clients,
    snapshot: Snapshot,
    keys: Sequence[str],
    values_from: str,
    database_url: Masked | None = None,
    are_due: bool = False,
) -> Renewal:
    """Make, ask for or fetch new values for keys, and plan what the database does with its password.

    Without a source, values are made where the catalogue says how, and asked for where it does not. Values that a
    killed run has made for the same keys are taken up again. Keys that only are due, and that nobody is there to be
    asked for, are left out and told. Raises as `given.gather` and `database.plan_turn` do. Nothing is written.
    """
    if document_of(snapshot).keys == () and not current_id(snapshot):
        raise UsageError(f"{snapshot.secret_name} has no value yet, so there is none to rotate: run update.")
    left = find_unfinished(clients, snapshot)
    values, notes = _values(snapshot, keys, values_from, left, are_due)
    if left:
        notes += (f"A rotation of {', '.join(left.keys)} was not finished: this run goes on from there.",)
    key = _database_key(snapshot, values, left)
    if key is None:
        return Renewal(values, unfinished=left, notes=notes)
    if database_url is None:
        told = f"{key} must change in the database too, and database_url_from names none:"
        notes += (f"{told} unless it accepts the new value already, tasks will not get in, and all is taken back.",)
        return Renewal(values, unfinished=left, notes=notes)
    return _with_database(snapshot, key, values, database_url, left, notes)


def find_unfinished(clients: Clients, snapshot: Snapshot) -> Unfinished | None:
    """The rotation that a killed run has left, where its label is still there and its documents can be read.

    One whose version is AWSPREVIOUS had been taken back: nothing of it is to be taken up.
    """
    stages = snapshot.secret.stages if snapshot.secret else {}
    ours = [
        version
        for version, labels in stages.items()
        if PREVIOUS not in labels and any(label.startswith(LABEL) for label in labels)
    ]
    at = {label: version for version, labels in stages.items() for label in labels}
    current, previous = at.get(CURRENT, ""), at.get(PREVIOUS, "")
    for version in sorted(ours, key=lambda version: version != current):
        base = previous if version == current else current
        after, before = _document(clients, snapshot, version), _document(clients, snapshot, base)
        if after and before:
            return Unfinished(version, base, version == current, after, before)
    return None


def _values(
    snapshot: Snapshot, keys: Sequence[str], values_from: str, left: Unfinished | None, are_due: bool
) -> tuple[dict[str, Given], tuple[str, ...]]:
    known, present = snapshot.environment.keys, document_of(snapshot).keys
    if values_from not in ("", GENERATE) or not keys:
        return given.gather(values_from, keys, known, present), ()
    given.refuse_unknown(keys, {*known, *present})
    again = {key: member for key in keys if left and key in left.keys and (member := left.document.get(key))}
    values = {key: Given(member.injected, ORIGIN, member.kind) for key, member in again.items()}
    rest = [key for key in keys if key not in values]
    made = [key for key in rest if key in known and known[key].generate]
    asked = [key for key in rest if key not in made]
    notes: tuple[str, ...] = ()
    if asked and are_due and not kernel.allows_input():
        notes = (f"{', '.join(asked)} cannot be made here, and nobody can be asked: due as before.",)
        asked = []
    values |= given.gather(GENERATE, made, known, present) if made else {}
    values |= given.gather(values_from or "prompt", asked, known, present) if asked else {}
    return {key: values[key] for key in keys if key in values}, notes


def _database_key(snapshot: Snapshot, values: Mapping[str, Given], left: Unfinished | None) -> str | None:
    """The key whose new value a database has to take too."""
    known, document = snapshot.environment.keys, document_of(snapshot)
    changing = [
        key
        for key, entry in values.items()
        for member in [document.get(key)]
        if member is None or not member.injected.same_as(entry.value)
    ]
    changing += left.keys if left and left.is_current else ()
    return next((key for key in changing if key in known and known[key].effect == "database-too"), None)


def _with_database(
    snapshot: Snapshot,
    key: str,
    values: Mapping[str, Given],
    url: Masked,
    left: Unfinished | None,
    notes: tuple[str, ...],
) -> Renewal:
    document, login = document_of(snapshot), snapshot.environment.keys[key].login
    is_written = left is not None and left.is_current and key in left.keys
    before = left.before if left and is_written else document
    name, former = before.get(login), before.get(key)
    turn = database.plan_turn(url, reveal(name.injected) if name else "", database_server(document))
    # Names of login roles are no secrets, and the plan cannot do without them.
    registry.exempt({turn.role, turn.former, turn.owner} - {""})
    new = values[key].value if key in values else None
    if left and is_written:
        now = left.document.get(key)
        new = now.injected if now else new
    elif turn.alternates:
        values = {**values, login: Given(Masked(turn.role, login), "the database's other login role")}
    return Renewal(values, turn, new, former.injected if former else None, left, (*notes, *turn.sentences))


def database_server(document: Document) -> str:
    """Where the secret says that the database is, as host:port; "" where it does not."""
    host, port = document.get("POSTGRES_SERVER"), document.get("POSTGRES_PORT")
    return f"{reveal(host.injected)}:{reveal(port.injected) if port else 5432}" if host else ""


def _document(clients: Clients, snapshot: Snapshot, version: str) -> Document | None:
    content = snapshot.contents.get(version)
    if content is not None or not version:
        return content.document if content else None
    client, name = clients("secretsmanager"), snapshot.environment.names.secret
    value = look(
        f"version {version} of {name}",
        GET_SECRET_VALUE,
        lambda: secretsmanager.get_value(client, name, version_id=version),
    )
    if isinstance(value, Unread):
        raise CouldNotLook(value.sentence)
    return contents_of(value)[version].document if value else None
