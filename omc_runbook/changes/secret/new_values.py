"""New values of keys: generated, entered or continued from a killed run, and the database's password rotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from omc_runbook.aws import secretsmanager
from omc_runbook.aws.session import Clients, require
from omc_runbook.changes.database import rotation
from omc_runbook.changes.database.rotation import PasswordRotation
from omc_runbook.changes.deploy import readiness
from omc_runbook.changes.secret.plan import (
    KEPT_LABELS,
    document_of,
    is_database_password,
    is_withdrawn,
    only_passwords,
    own_labels,
    present_key,
    version_id_of,
)
from omc_runbook.changes.values import encryption, sources
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.changes.values.sources import GENERATE, KEEP, PROMPT, RENEW
from omc_runbook.checks.key_demand import plain_logins, services_reading
from omc_runbook.masking import kernel, registry
from omc_runbook.masking.document import Action, Document, Member, compare
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.catalogue import Key
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.snapshot.follow_ups import contents_of
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

ORIGIN = "the unfinished change"
_CONTINUES = ": this run continues it"
_FINISHES = ", though only its last step is left: with apply, this run finishes it"


@dataclass(frozen=True)
class UnfinishedChange:
    """A change that a killed run left: its version, the version before it, and both documents.

    `is_certain` says whether its version was made of the one before; others may have changed the secret in between.
    """

    version_id: str
    base: str
    is_current: bool
    document: Document
    before: Document
    is_certain: bool = True
    is_restore: bool = False
    """Whether it made a kept version current, so that its values are former ones."""

    @property
    def actions(self) -> dict[str, Action]:
        """What it did with each key that it changed."""
        return {key: action for key, action in compare(self.before, self.document).items() if action != "unchanged"}

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that it gave new values."""
        return tuple(key for key, action in self.actions.items() if action != "removed")

    def new_member(self, key: str) -> Member | None:
        """A member to which it gave a new value; None for others, and where the value may be a former one."""
        is_new = self.is_certain and not self.is_restore and key in self.keys
        return self.document.get(key) if is_new else None

    def encrypting(self, catalogue: Mapping[str, Key]) -> tuple[str, ...]:
        """The keys with whose value tasks encrypt what the one before cannot decrypt."""
        lost = partial(encryption.is_lost_on_return, catalogue)
        return tuple(key for key in self.keys if lost(key, self.before.get(key), self.document.get(key)))

    def keys_with_same_value(self, values: Mapping[str, NewValue]) -> set[str]:
        """The keys that it changed to the same values as these."""
        return {
            key
            for key in self.actions
            if key in values and (member := self.document.get(key)) and member.injected.same_as(values[key].value)
        }


@dataclass(frozen=True)
class NewValues:
    """New values, the database's part in them, a killed run's change, and notes."""

    values: Mapping[str, NewValue]
    rotation: PasswordRotation | None = None
    password: Masked | None = None
    """The database's new password."""
    former_password: Masked | None = None
    database_key: str = ""
    """The key with the database's password; "" where that does not change."""
    login_key: str = ""
    """The key with the name of the role that has it."""
    unfinished: UnfinishedChange | None = None
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Notes on keys that were asked for and get no new value."""
    is_reversible: bool = True
    """Whether the unfinished change can be taken back with this one: the database's part in it, too."""
    encrypting: tuple[str, ...] = ()
    """The keys of the unfinished change that tasks encrypt with, and whose former value cannot decrypt that."""
    redeploy_stale: bool = True
    """Whether services with stale tasks get new ones even if the secret does not change."""
    keys: tuple[str, ...] = ()
    """The keys that were asked for, whether they get new values or not."""
    database_url: Masked | None = None
    database_url_from: str = "env:NAME"
    """The source of the database's URL, for the commands that need it again."""

    @property
    def written(self) -> UnfinishedChange | None:
        """The killed run's change, where it gave keys new values, as a restore does not."""
        return None if self.unfinished and self.unfinished.is_restore else self.unfinished


def renew(
    clients: Clients,
    snapshot: Snapshot,
    keys: Sequence[str],
    values_from: str,
    database_url: Masked | None = None,
    are_due: bool = False,
    offered: str = sources.SOURCES,
) -> NewValues:
    """Generate, prompt for or read new values, and plan the database's password rotation; writes nothing.

    The source "renew" generates values where the catalogue says how, and prompts for the others. Values that a killed
    run made for the same keys are used again. With `are_due`, keys that need a prompt are skipped, with a note, where
    the session is not interactive. `offered` are the sources that the runbook has, for an error. Raises as
    `sources.gather` and `rotation.plan_rotation` do, and UsageError where the database may have a password of a killed
    run that is not in force yet.
    """
    unfinished, catalogue = find_unfinished(clients, snapshot), snapshot.environment.keys
    values, left_out = _values(snapshot, keys, values_from, unfinished, are_due, offered)
    notes: tuple[str, ...] = ()
    redeploy_stale = bool(values or unfinished) or values_from == KEEP
    if unfinished:
        _refuse_to_lose(unfinished, keys, catalogue)
        notes += (_note(unfinished, _what_becomes_of(unfinished, values)),)
    key = _database_key(snapshot, values, unfinished)
    if key and database_url is None:
        source = {} if values_from == RENEW else {"values_from": values_from}
        # What nobody can be asked for here, nobody can there.
        renewed = values if left_out else keys or values
        both = sources.rotate_command(
            snapshot.environment, keys=",".join(renewed) or key, **source, database_url_from="env:NAME"
        )
        notes += (
            f"{key} must change in the database too, or new tasks cannot log in. If it has not changed there, apply"
            " this instead, which changes both; NAME is a variable with the URL of the database's administrator:",
            both,
        )
    new = NewValues(
        values,
        unfinished=unfinished,
        notes=notes,
        left_out=left_out,
        is_reversible=database_url is not None or not (unfinished and only_passwords(catalogue, unfinished.keys)),
        encrypting=unfinished.encrypting(catalogue) if unfinished else (),
        redeploy_stale=redeploy_stale,
        keys=tuple(keys),
        database_url=database_url,
    )
    return _with_database(clients, snapshot, new, key, database_url) if key and database_url else new


def refuse_loss(snapshot: Snapshot, values: Mapping[str, Masked]) -> None:
    """Raise UsageError where a new value of a key that encrypts data would make data unreadable."""
    document, catalogue = document_of(snapshot), snapshot.environment.keys
    for key, value in values.items():
        lost = encryption.loss(catalogue, key, document.get(key), value)
        if lost:
            raise UsageError(
                f"{key} encrypts data: with the new value alone, {lost} cannot be read any more. Nothing was written."
                f" {encryption.WAY} If it encrypts nothing, set effect in [keys.{key}] of runbook.toml."
            )


def find_unfinished(clients: Clients, snapshot: Snapshot) -> UnfinishedChange | None:
    """The change that a killed run left: a version with our label whose documents can be read.

    A version that is AWSPREVIOUS was rolled back, and is not continued, nor is one that a restore has not made current.
    """
    labels_of, current, previous = own_labels(snapshot.secret), snapshot.current_id, snapshot.previous_id
    restored = {
        version for version, labels in labels_of.items() if all(label.startswith(KEPT_LABELS) for label in labels)
    }
    # One that somebody has made current again by hand is of no run.
    withdrawn = {version for version, labels in labels_of.items() if is_withdrawn(labels)}
    labelled_versions = [
        version
        for version in labels_of
        if version not in {previous, *withdrawn} and (version == current or version not in restored)
    ]
    for version in sorted(labelled_versions, key=lambda version: version != current):
        base = previous if version == current else current
        after, before = _document(clients, snapshot, version), _document(clients, snapshot, base)
        if not (after and before):
            continue
        is_of_base = version_id_of(base, before, after.value) == version
        if version == current and not (is_of_base or version in restored):
            # Somebody has made it current again, or AWSPREVIOUS was made of it and taken back: what was before it is
            # not known any more.
            continue
        if version == current or is_of_base:
            return UnfinishedChange(version, base, version == current, after, before, is_restore=version in restored)
        # Somebody has changed the secret since.
        former = _document(clients, snapshot, previous)
        is_certain = former is not None and version_id_of(previous, former, after.value) == version
        return UnfinishedChange(version, base, False, after, former if former and is_certain else before, is_certain)
    return None


def find_removed(clients: Clients, snapshot: Snapshot, names: Sequence[str]) -> tuple[str, ...]:
    """Those names of keys that only the version before the current one has: the last change removed them already.

    Raises CouldNotLook where that version cannot be read.
    """
    document = document_of(snapshot)
    lacking = [name for name in names if present_key(name, document) not in document.keys]
    try:
        former = _document(clients, snapshot, snapshot.previous_id) if lacking else None
    except CouldNotLook as error:
        key = sources.printable_key(lacking[0], document.keys)
        raise CouldNotLook(
            f"{key} is not in the secret, and whether the last change removed it is unknown. {error}"
        ) from None
    return tuple(name for name in lacking if former and present_key(name, former) in former.keys)


def notes_where_nothing_is_left(new: NewValues) -> tuple[str, ...]:
    """The notes of new values for a plan without a step, where a killed run's change has still to be finished."""
    if new.unfinished is None:
        return new.notes
    before, after = (_note(new.unfinished, end) for end in (_CONTINUES, _FINISHES))
    return tuple(after if note == before else note for note in new.notes)


def _note(unfinished: UnfinishedChange, end: str) -> str:
    return f"A change of {', '.join(unfinished.actions)} was not finished{end}."


def _what_becomes_of(unfinished: UnfinishedChange, values: Mapping[str, NewValue]) -> str:
    """Whether a run with these values goes on with a killed one; the end of a sentence."""
    same = unfinished.keys_with_same_value(values)
    goes_on = {*unfinished.actions} - ({*values} - same) if unfinished.is_current else same
    if goes_on:
        return _CONTINUES
    is_current = unfinished.is_current
    return ": this run gives other values" if is_current else ", and is not current: this run does not continue it"


def _refuse_to_lose(unfinished: UnfinishedChange, keys: Sequence[str], catalogue: Mapping[str, Key]) -> None:
    """Refuse to drop an unfinished version that may have the only password that the database accepts."""
    for key in only_passwords(catalogue, unfinished.keys):
        if key not in keys and not unfinished.is_current:
            raise UsageError(
                f"A change of {key} was not finished, and the database may have the new password already: run rotate"
                f" with keys {key} and database_url_from first. Nothing was written."
            )


def _values(
    snapshot: Snapshot,
    keys: Sequence[str],
    values_from: str,
    unfinished: UnfinishedChange | None,
    are_due: bool,
    offered: str,
) -> tuple[dict[str, NewValue], tuple[str, ...]]:
    catalogue, present_keys = snapshot.environment.keys, document_of(snapshot).keys
    if not keys and (are_due or values_from == RENEW):
        return {}, ()
    if values_from not in (RENEW, GENERATE):
        return sources.gather(values_from, keys, catalogue, present_keys, offered=offered), ()
    sources.refuse_unknown(keys, {*catalogue, *present_keys})
    values = {
        key: NewValue(member.injected, ORIGIN, member.kind)
        for key in keys
        if unfinished and (member := unfinished.new_member(key))
    }
    rest = [key for key in keys if key not in values]
    generated = [key for key in rest if key in catalogue and catalogue[key].generate]
    prompted = [key for key in rest if key not in generated]
    left_out: tuple[str, ...] = ()
    if prompted and are_due and not kernel.allows_prompt():
        left_out = (f"{', '.join(prompted)} cannot be generated, and this session has no prompt: still due.",)
        prompted = []
    if values_from == GENERATE or not kernel.allows_prompt():
        # None of these gets a value here, and a key that encrypts data cannot have just any value.
        refuse_loss(snapshot, {key: Masked("", key) for key in prompted})
    values |= sources.gather(GENERATE, generated, catalogue, present_keys) if generated or not keys else {}
    source = GENERATE if values_from == GENERATE else PROMPT
    values |= sources.gather(source, prompted, catalogue, present_keys) if prompted else {}
    return {key: values[key] for key in keys if key in values}, left_out


def _database_key(
    snapshot: Snapshot, values: Mapping[str, NewValue], unfinished: UnfinishedChange | None
) -> str | None:
    """The changing key whose value the database needs too."""
    catalogue, document = snapshot.environment.keys, document_of(snapshot)
    changing_keys = [
        key
        for key, entry in values.items()
        if not ((member := document.get(key)) and member.injected.same_as(entry.value))
    ]
    changing_keys += unfinished.keys if unfinished and unfinished.is_current else ()
    return next((key for key in changing_keys if is_database_password(catalogue, key)), None)


def _with_database(clients: Clients, snapshot: Snapshot, new: NewValues, key: str, url: Masked) -> NewValues:
    """Add the database's password rotation to new values."""
    values, unfinished = new.values, new.unfinished
    document, login = document_of(snapshot), snapshot.environment.keys[key].login
    leftover, entry = unfinished.document.get(key) if unfinished else None, values.get(key)
    new_password = entry.value if entry else leftover.injected if leftover else None
    # A value other than the one that a killed run made current is a change of its own.
    goes_on = entry is None or (leftover is not None and entry.value.same_as(leftover.injected))
    is_current = goes_on and unfinished is not None and unfinished.is_current and key in unfinished.keys
    before = unfinished.before if unfinished and is_current else document
    login_name, former_member = before.get(login), before.get(key)
    # After a rollback that could not reach the database, it may still have the withdrawn password; after a run that was
    # killed, that of any version with a label of ours.
    documents = [
        unfinished.document
        if unfinished and version == unfinished.version_id
        else _document(clients, snapshot, version)
        for version in (*own_labels(snapshot.secret), snapshot.previous_id)
    ]
    candidates = [former_member, *(each.get(key) for each in documents if each)]
    plan = rotation.plan_rotation(
        url,
        reveal(login_name.injected) if login_name else "",
        database_server(snapshot, before),
        plain_logins(snapshot).get(login, ""),
        [candidate.injected for candidate in candidates if candidate],
    )
    if not is_current:
        names = services_reading(snapshot, key)
        readers = [each for each in snapshot.consumers if each.name in names]
        if plan.alternates:
            readiness.refuse_old_logins(snapshot, readers, key, login, plan.role)
        else:
            readiness.refuse_one_password(readers, key, login)
    # Names of login roles are not secret, and the plan shows them.
    registry.exempt({plan.role, plan.former_role, plan.owner} - {""})
    if plan.alternates and not is_current:
        values = {**values, login: NewValue(Masked(plan.role, login), "the database's other login role")}
    return replace(
        new,
        values=values,
        rotation=plan,
        password=new_password,
        former_password=former_member.injected if former_member else None,
        database_key=key,
        login_key=login,
        notes=(*new.notes, *plan.sentences),
    )


def login_text(snapshot: Snapshot, document: Document, name: str) -> str:
    """The text of a variable that says who logs in where, from the secret or a plain variable; "" in neither."""
    member = document.get(name)
    return reveal(member.injected) if member else plain_logins(snapshot).get(name, "")


def database_server(snapshot: Snapshot, document: Document) -> str:
    """The application's database as host:port, from the secret or plain variables; "" where neither has it."""
    server, port = (login_text(snapshot, document, name) for name in ("POSTGRES_SERVER", "POSTGRES_PORT"))
    return f"{server}:{port or 5432}" if server else ""


def _document(clients: Clients, snapshot: Snapshot, version: str) -> Document | None:
    content = snapshot.contents.get(version)
    if content is not None or not version:
        return content.document if content else None
    client, name = clients("secretsmanager"), snapshot.environment.names.secret
    read = partial(secretsmanager.get_value, client, name, version_id=version)
    is_left = version in own_labels(snapshot.secret)
    what = f"version {version} of {name}{', which a run has left that was not finished' if is_left else ''}"
    value = require(what, GET_SECRET_VALUE, read)
    return contents_of(value)[version].document if value else None
