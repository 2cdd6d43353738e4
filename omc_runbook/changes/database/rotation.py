"""The database's part in a new password of its login role: two roles in turns, or one that changes at once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from omc_runbook.changes.database import connection as database_connection
from omc_runbook.changes.database import login_roles
from omc_runbook.changes.database.connection import Refusal
from omc_runbook.changes.database.login_roles import ServerState
from omc_runbook.changes.values import source_file
from omc_runbook.masking import registry
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.suggestions import expand, nearest

if TYPE_CHECKING:
    from omc_runbook.changes.database.connection import Connection

SOURCES = "env:NAME or file:PATH"
FORM = "postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE"
URL = re.compile(r"\Apostgres(ql)?://\S+\Z")

LONGEST_NAME = 63
"""Bytes of a role's name; PostgreSQL cuts off what is beyond, so that a partner could be the role itself."""

UNFIT = re.compile(r"[\0\ud800-\udfff]")
"""What neither a password nor a name can have: a NUL ends it, half a surrogate pair has no bytes."""

T = TypeVar("T")


@dataclass(frozen=True)
class PasswordRotation:
    """What the database will do with a new password; made by looking only."""

    url: Masked
    """Of an administrator, or of the role itself."""
    role: str
    """The login role that gets the new password."""
    former: str
    """The login role in use until then."""
    owner: str
    """The role as which both act."""
    exists: bool
    where: str
    """host:port/database, for sentences."""
    server: str
    """host:port at which a login is tried."""
    reason: str = ""
    """Why one role has to do."""
    sessions: int = 0
    """How many connections are open as a partner that nobody should use."""
    known: tuple[Masked, ...] = ()
    """Passwords to try where the URL is of the role itself, and its own is not in force any more."""

    @property
    def alternates(self) -> bool:
        """Whether the new password goes to another role than the one in use."""
        return self.role != self.former

    @property
    def sentences(self) -> tuple[str, ...]:
        """What will be done, in which order, and who is cut off when."""
        if not self.alternates:
            return (
                f"The database at {self.where} has one role for this, {self.role}, because {self.reason}: it has one"
                " password at a time.",
                "In this order: the database takes the new password, a login with it is tried, the secret changes,"
                " the tasks are replaced.",
                "From the first step until the last old task is replaced, tasks keep the connections that they have,"
                " and a new connection with the old password is refused.",
            )
        lines = [
            f"In the database at {self.where} two roles take turns: {self.former} is in use and stays as it is, so"
            " that tasks which run go on logging in.",
            f"{self.role} {self._doing}.",
            f"A login as {self.role} is tried, then the secret changes name and password together: nobody is cut off.",
            f"{self.former} keeps its password until the next rotation: if that one leaked, rotate twice.",
        ]
        if self.sessions:
            lines.append(
                f"{self.sessions} connections are open as {self.role}: what opened them cannot open others from then"
                " on."
            )
        return tuple(lines)

    @property
    def _doing(self) -> str:
        if self.role == self.owner:
            return "gets the new password"
        acting = f"as a member of {self.owner} that acts as it, so that what it creates belongs to {self.owner}"
        return f"gets the new password, {acting}" if self.exists else f"is created with the new password, {acting}"


def url_from(source: str) -> Masked | None:
    """Take the database's URL from env:NAME or file:PATH, masked from the start; None from "".

    Raises UsageError, in one sentence without the URL, for what is no such source or holds none, and where
    PostgreSQL's client is not installed.
    """
    if not source:
        return None
    kind, _, name = source.partition(":")
    if kind not in ("env", "file") or not name or "://" in name:
        # Not repeated here: somebody may have put the URL in its place.
        raise UsageError(f"database_url_from names no source of a URL: choose {SOURCES}.")
    database_connection.require()
    url = _from_variable(name) if kind == "env" else _from_file(expand(name))
    where = f"The variable {name}" if kind == "env" else name
    if url.matches(UNFIT):
        raise UsageError(f"{where} is not UTF-8 text: set it anew.")
    found = database_connection.login_of(url) if url.matches(URL) else None
    if found is None:
        raise UsageError(f"{where} holds no URL of a PostgreSQL database: write {FORM}.")
    registry.exempt({name for name in (found.user, found.host) if name})
    return url


def plan_rotation(
    url: Masked, in_secret: str, server: str = "", outside: str = "", known: Sequence[Masked] = ()
) -> PasswordRotation:
    """Look which role gets the new password; nothing is changed.

    `in_secret` is the login's name as the secret has it, so that it can change with the password; `outside` is the
    name that tasks have from elsewhere. Without either the URL's own role is the one. `server` is where tasks find
    the database, as host:port, if that is not where the URL leads. `known` are passwords to try where the URL is of
    the login role itself and a rotation that was killed has changed its password already.
    Raises CouldNotLook where the database cannot be reached or lets nobody in, UsageError where the URL leads to a
    replica or a pooler, and where its role may not do what is needed.
    """
    login = in_secret or outside
    if UNFIT.search(login):
        raise UsageError("The login's name has a character that no role of PostgreSQL can have.")
    login_in_url = database_connection.login_of(url)
    is_own = login_in_url is not None and (not login or login_in_url.user in ("", login))
    own = tuple(password for password in known if is_own and not password.matches(UNFIT))
    state = database_connection.run(url, own, lambda connection: login_roles.look(connection, login))
    if isinstance(state, Refusal):
        at = f" at {login_in_url.host}" if login_in_url and login_in_url.host else ""
        raise CouldNotLook(f"Could not look at the database{at}, which database_url_from names: {state.reason}.")
    where = f"{state.host}:{state.port}/{state.dbname}"
    if state.is_replica:
        raise UsageError(f"{where} is a replica, which only reads: name the primary in database_url_from.")
    if state.is_pooled:
        raise UsageError(f"{where} is a connection pooler: name the database server itself in database_url_from.")
    former = login or state.user
    if former not in state.roles:
        raise UsageError(f'{where} has no role "{former}"{nearest(former, state.roles)}')
    partner = f"{former}{login_roles.CLONE}" if state.owner == former else state.owner
    reason = _why_one(state, in_secret, partner)
    if reason and state.user != former and not state.may_alter(former):
        raise UsageError(
            f"{state.user} may not change the password of {former} at {where}: name an administrator,"
            f" or {former} itself, in database_url_from."
        )
    role = former if reason else partner
    there = state.roles.get(role)
    return PasswordRotation(
        url=url,
        role=role,
        former=former,
        owner=former if reason else state.owner,
        exists=there is not None,
        where=where,
        server=server or f"{'127.0.0.1' if state.is_socket else state.host}:{state.port}",
        reason=reason,
        sessions=there.sessions if there and not reason else 0,
        known=own,
    )


def set_password(planned: PasswordRotation, password: Masked) -> None:
    """Give the login role the new password, in one transaction; a partner is made, or mended, so that it can act.

    The server sees a SCRAM-SHA-256 verifier that libpq makes on this side, never the password. Done again, with the
    same or another password, the last one is in force. Raises CouldNotLook where the database refuses.
    https://www.postgresql.org/docs/current/sql-alterrole.html
    """
    _refuse_unfit(password)

    def act(connection: Connection) -> None:
        if planned.alternates:
            login_roles.prepare(connection, planned.role, planned.former, planned.owner)
        login_roles.alter_password(connection, planned.role, password)

    _do(planned, "set a new password for", (password,), act)


def log_in(planned: PasswordRotation, password: Masked) -> None:
    """Log in as the login role, over TCP, to prove that the password is in force where tasks log in.

    Raises CouldNotLook where the server does not let it in, or lets it in without having asked for the password.
    """
    _refuse_unfit(password)
    host, _, port = planned.server.rpartition(":")
    refused = database_connection.log_in(planned.url, planned.role, password, host.strip("[]"), port, planned.owner)
    if refused is None:
        return
    if refused.asked:
        raise CouldNotLook(f"{planned.server} did not let {planned.role} in with the new password: {refused.reason}.")
    raise CouldNotLook(
        f"{planned.server} let {planned.role} in without asking for a password, which proves nothing:"
        " have its pg_hba.conf ask with scram-sha-256."
    )


def take_back(planned: PasswordRotation, former_password: Masked | None, password: Masked | None = None) -> str:
    """Withdraw a new password, set or not; gives a sentence on what was done.

    `password` is the new one: where the URL is of the role itself, it may be the only one that gets in.

    One role gets `former_password` again. A partner, whose former password nobody has to use, is left without one.
    Raises CouldNotLook where the database refuses, or where one role's former password is not known.
    """
    if not planned.alternates and former_password is None:
        raise CouldNotLook(f"{planned.role} at {planned.where} keeps the new password: its former one is not known.")
    again = None if planned.alternates else former_password
    if again:
        _refuse_unfit(again)
    tried = tuple(one for one in (again, password) if one and not one.matches(UNFIT))

    def act(connection: Connection) -> bool:
        found = login_roles.exists(connection, planned.role)
        if found:
            login_roles.alter_password(connection, planned.role, again)
        return found

    found = _do(planned, "take back the new password of", tried, act)
    if not found:
        return f"The database at {planned.where} has no role {planned.role}: there was nothing to take back."
    if again:
        return f"{planned.role} has its former password again in the database at {planned.where}."
    return f"{planned.role} has no password any more in the database at {planned.where}; {planned.former} is as it was."


def _from_variable(name: str) -> Masked:
    if not os.environ.get(name):
        raise UsageError("The variable that database_url_from names is not set or empty: set it, or name another.")
    return Masked(os.environ[name].strip(), name)


def _from_file(path: Path) -> Masked:
    return Masked(
        source_file.load(path, "the database's URL").decode("utf-8", "surrogateescape").strip(), "DATABASE_URL"
    )


def _refuse_unfit(password: Masked) -> None:
    if password.matches(UNFIT) or password.is_empty:
        raise UsageError(f"{password.name} cannot be a password in PostgreSQL: it is empty, or not text throughout.")


def _why_one(state: ServerState, in_secret: str, partner: str) -> str:
    if not in_secret:
        return "the secret does not have the login's name"
    if len(partner.encode()) > LONGEST_NAME:
        return f"a second one would have a name of more than {LONGEST_NAME} bytes"
    if not (state.may_alter(partner) and state.may_alter(state.owner)):
        return f"{state.user} may not manage a second one"
    return ""


def _do(planned: PasswordRotation, doing: str, passwords: tuple[Masked, ...], act: Callable[[Connection], T]) -> T:
    login_in_url = database_connection.login_of(planned.url)
    own = (*planned.known, *passwords) if login_in_url and login_in_url.user in ("", planned.role) else ()
    done = database_connection.run(planned.url, own, act)
    if isinstance(done, Refusal):
        raise CouldNotLook(f"Could not {doing} {planned.role} at {planned.where}: {done.reason}.")
    return done
