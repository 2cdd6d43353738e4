"""Renewing keys: new values made or asked for, those of a killed run taken up again, and what the database does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from omc_runbook.aws import secretsmanager
from omc_runbook.aws.secretsmanager import CURRENT, PREVIOUS
from omc_runbook.aws.session import Clients, insist
from omc_runbook.changes.database import rotation
from omc_runbook.changes.database.rotation import PasswordRotation
from omc_runbook.changes.secret.plan import LABEL, document_of
from omc_runbook.changes.values import sources
from omc_runbook.changes.values.source_file import Given
from omc_runbook.changes.values.sources import GENERATE, KEEP, RENEW
from omc_runbook.masking import kernel, registry
from omc_runbook.masking.document import Action, Document, compare
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.catalogue import Key
from omc_runbook.model.errors import UsageError
from omc_runbook.snapshot.follow_ups import contents_of
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

ORIGIN = "the change that was not finished"


@dataclass(frozen=True)
class Unfinished:
    """What a killed run has left: its version, the one before it, and the two documents."""

    version_id: str
    base: str
    is_current: bool
    document: Document
    before: Document

    @property
    def actions(self) -> dict[str, Action]:
        """What it did with each key that it did not leave as it was."""
        return {key: action for key, action in compare(self.before, self.document).items() if action != "unchanged"}

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys to which it gave other values."""
        return tuple(key for key, action in self.actions.items() if action != "removed")


@dataclass(frozen=True)
class Renewal:
    """New values, what the database does with one of them, what a killed run has left, and sentences on all that."""

    values: Mapping[str, Given]
    rotation: PasswordRotation | None = None
    password: Masked | None = None
    """The new one of the database."""
    former_password: Masked | None = None
    unfinished: Unfinished | None = None
    notes: tuple[str, ...] = ()
    finish: bool = True
    """Whether services that hold older values shall get new tasks even where nothing is to be written."""


def renew(
    clients: Clients,
    snapshot: Snapshot,
    keys: Sequence[str],
    values_from: str,
    database_url: Masked | None = None,
    are_due: bool = False,
) -> Renewal:
    """Make, ask for or fetch new values for keys, and plan what the database does with its password.

    The source "renew" makes values where the catalogue says how, and asks for them where it does not. Values that a
    killed run has made for the same keys are taken up again. Keys that only are due, and that nobody is there to be
    asked for, are left out and told. Raises as `sources.gather` and `rotation.plan_rotation` do, and UsageError where a
    killed run may have left a password that the database alone has. Nothing is written.
    """
    left = find_unfinished(clients, snapshot)
    values, notes = _values(snapshot, keys, values_from, left, are_due)
    finish = bool(values or left) or values_from == KEEP
    if left:
        _refuse_to_lose(left, keys, snapshot.environment.keys)
        notes += (f"A change of {', '.join(left.actions)} was not finished: this run goes on from there.",)
    key = _database_key(snapshot, values, left)
    if key and database_url is None:
        notes += (
            f"{key} must change in the database too: unless it accepts the new value already, tasks will not get in."
            " With database_url_from the runbook rotate changes both.",
        )
    if key is None or database_url is None:
        return Renewal(values, unfinished=left, notes=notes, finish=finish)
    return replace(_with_database(clients, snapshot, key, values, database_url, left, notes), finish=finish)


def find_unfinished(clients: Clients, snapshot: Snapshot) -> Unfinished | None:
    """The change that a killed run has left, where its label is still there and its documents can be read.

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


def _refuse_to_lose(left: Unfinished, keys: Sequence[str], known: Mapping[str, Key]) -> None:
    """Refuse what would let go of a version that may hold the one password by which the database lets tasks in."""
    for key in left.keys:
        alone = key in known and known[key].effect == "database-too" and known[key].login not in left.keys
        if alone and key not in keys and not left.is_current:
            raise UsageError(
                f"A change of {key} was not finished, and the database may have the new password already: run rotate"
                f" with keys {key} and database_url_from first. Nothing was written."
            )


def _values(
    snapshot: Snapshot, keys: Sequence[str], values_from: str, left: Unfinished | None, are_due: bool
) -> tuple[dict[str, Given], tuple[str, ...]]:
    known, present = snapshot.environment.keys, document_of(snapshot).keys
    if are_due and not keys:
        return {}, ()
    if values_from not in (RENEW, GENERATE):
        return sources.gather(values_from, keys, known, present), ()
    if values_from == RENEW and not keys:
        return {}, ()
    sources.refuse_unknown(keys, {*known, *present})
    again = {key: member for key in keys if left and key in left.keys and (member := left.document.get(key))}
    values = {key: Given(member.injected, ORIGIN, member.kind) for key, member in again.items()}
    rest = [key for key in keys if key not in values]
    made = [key for key in rest if key in known and known[key].generate]
    asked = [key for key in rest if key not in made]
    notes: tuple[str, ...] = ()
    if asked and are_due and not kernel.allows_input():
        notes = (f"{', '.join(asked)} cannot be generated, and nobody can be asked here: still due.",)
        asked = []
    values |= sources.gather(GENERATE, made, known, present) if made or not keys else {}
    values |= sources.gather(GENERATE if values_from == GENERATE else "prompt", asked, known, present) if asked else {}
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
    clients: Clients,
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
    again = left.document.get(key) if left else None
    new = again.injected if again and is_written else values[key].value if key in values else None
    withdrawn = _document(clients, snapshot, snapshot.secret.version_at(PREVIOUS)) if snapshot.secret else None
    # A change that was taken back while the database did not answer may have left it with the withdrawn password.
    candidates = [former, again, withdrawn.get(key) if withdrawn else None]
    planned = rotation.plan_rotation(
        url,
        reveal(name.injected) if name else "",
        _server(snapshot, before),
        _plain(snapshot, login),
        [candidate.injected for candidate in candidates if candidate],
    )
    # Names of login roles are no secrets, and the plan cannot do without them.
    registry.exempt({planned.role, planned.former, planned.owner} - {""})
    if planned.alternates and not is_written:
        values = {**values, login: Given(Masked(planned.role, login), "the database's other login role")}
    return Renewal(values, planned, new, former.injected if former else None, left, (*notes, *planned.sentences))


def _server(snapshot: Snapshot, document: Document) -> str:
    """Where the application's database is, as host:port, by the secret or by plain variables; "" where none says."""
    found = {
        name: reveal(member.injected) if member else _plain(snapshot, name)
        for name in ("POSTGRES_SERVER", "POSTGRES_PORT")
        for member in [document.get(name)]
    }
    return f"{found['POSTGRES_SERVER']}:{found['POSTGRES_PORT'] or 5432}" if found["POSTGRES_SERVER"] else ""


def _plain(snapshot: Snapshot, variable: str) -> str:
    """What the consumers' task definitions set a variable to, in plain sight; "" where none does."""
    definitions = (snapshot.definition(service.task_definition_arn) for service in snapshot.consumers)
    containers = (container for found in definitions if found for container in found.containers)
    return next((text for container in containers for name, text in container.logins if name == variable), "")


def _document(clients: Clients, snapshot: Snapshot, version: str) -> Document | None:
    content = snapshot.contents.get(version)
    if content is not None or not version:
        return content.document if content else None
    client, name = clients("secretsmanager"), snapshot.environment.names.secret
    value = insist(
        f"version {version} of {name}",
        GET_SECRET_VALUE,
        lambda: secretsmanager.get_value(client, name, version_id=version),
    )
    return contents_of(value)[version].document if value else None
