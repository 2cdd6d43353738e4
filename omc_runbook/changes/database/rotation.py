"""The rotation of a login role's password: two alternating roles, or one whose password changes in place."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from omc_runbook.changes.database import connection as database_connection
from omc_runbook.changes.database import login_roles
from omc_runbook.changes.database.connection import NOT_ASKED, Connection, Refusal
from omc_runbook.changes.database.login_roles import ServerState
from omc_runbook.changes.values import source_file
from omc_runbook.masking import registry
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.suggestions import expand, nearest

SOURCES = "env:NAME or file:PATH"
FORM = "postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE"
ESCAPES = "In the password, write % as %25, @ as %40, / as %2F and # as %23."
_HOST = r"(?:\[[^][@/\s]*\]|[^][@/?#:,\s]*)(?::\d*)?"
URL = re.compile(rf"\Apostgres(?:ql)?://(?:[^@/\s]*@)?{_HOST}(?:,{_HOST})*(?:/[^@/?#\s]*)?(?:\?\S*)?\Z")
"""What libpq reads the parts of a URL from, without characters that are allowed in none of them.

libpq ends a password at its first @ or /, and would take the rest for the host, the port or the database.
"""

LONGEST_NAME = 63
"""Bytes of a role's name: PostgreSQL truncates longer ones, so that a partner could be the role itself."""

UNFIT = re.compile(r"[\0\ud800-\udfff]")
"""Characters that neither a password nor a name can have: NUL, and half of a surrogate pair."""

T = TypeVar("T")


@dataclass(frozen=True)
class PasswordRotation:
    """The plan of a password rotation; made without changing anything."""

    url: Masked
    """The URL of an administrator, or of the role itself."""
    role: str
    """The login role that gets the new password."""
    former_role: str
    """The login role in use until then."""
    owner: str
    """The role that both use (SET ROLE)."""
    exists: bool
    address: str
    """host:port/database, for messages."""
    server: str
    """host:port where a login is tested."""
    reason: str = ""
    """Why there is only one role."""
    sessions: int = 0
    """How many connections the partner has, which should be unused."""
    fallback_passwords: tuple[Masked, ...] = ()
    """Passwords to try where the URL is of the role itself, and its own is outdated."""

    @property
    def alternates(self) -> bool:
        """Whether the new password goes to another role than the one in use."""
        return self.role != self.former_role

    @property
    def sentences(self) -> tuple[str, ...]:
        """What will be done, in which order, and which logins fail meanwhile."""
        if not self.alternates:
            return (
                f"The database at {self.address} has one role for this, {self.role}, because {self.reason}: it has one"
                " password at a time.",
                "In this order: the database gets the new password, a login with it is tested, the secret changes,"
                " the tasks are replaced.",
                "From the first step until the last old task is replaced, tasks keep their open connections, but new"
                " connections with the old password are refused.",
            )
        lines = [
            f"In the database at {self.address} two roles take turns: {self.former_role} is in use and stays unchanged,"
            " so that running tasks can still log in.",
            f"{self.role} {self._role_change}.",
            f"A login as {self.role} is tested, then the secret changes name and password together: no login fails.",
            f"{self.former_role} keeps its password until the next rotation: if that one leaked, rotate twice.",
        ]
        if self.sessions:
            lines.append(
                f"{self.sessions} connections are open as {self.role}: their clients cannot open new ones after that."
            )
        return tuple(lines)

    @property
    def _role_change(self) -> str:
        if self.role == self.owner:
            return "gets the new password"
        how = f"as a member of {self.owner} with SET ROLE, so that {self.owner} owns what it creates"
        return f"gets the new password, {how}" if self.exists else f"is created with the new password, {how}"


def url_from(source: str) -> Masked | None:
    """Read the database's URL from env:NAME or file:PATH, masked; None for "".

    Raises UsageError, without the URL in it, for another source or an invalid URL, and where psycopg is not installed.
    """
    if not source:
        return None
    kind, _, name = source.partition(":")
    if kind not in ("env", "file") or not name or "://" in name:
        # Not quoted: it may be the URL itself.
        raise UsageError(f"database_url_from is not a source of a URL: choose {SOURCES}.")
    database_connection.require()
    url = _from_variable(name) if kind == "env" else _from_file(expand(name))
    label = f"The variable {name}" if kind == "env" else name
    if url.matches(UNFIT):
        raise UsageError(f"{label} is not UTF-8 text: set it again.")
    login = database_connection.login_of(url) if url.matches(URL) else None
    if login is None:
        raise UsageError(f"{label} is not the URL of a PostgreSQL database: write {FORM}. {ESCAPES}")
    registry.exempt({name for name in (login.user, login.host) if name})
    return url


def plan_rotation(
    url: Masked,
    login_in_secret: str,
    server: str = "",
    login_in_tasks: str = "",
    fallback_passwords: Sequence[Masked] = (),
) -> PasswordRotation:
    """Plan which role gets the new password; nothing is changed.

    `login_in_secret` is the login's name in the secret, where it can change with the password; `login_in_tasks` is the
    name that tasks have from elsewhere. Without either it is the URL's own role. `server` is the database's host:port
    as tasks use it, if that differs from the URL's. `fallback_passwords` are tried where the URL is of the login role
    itself and a killed rotation has changed its password already. Raises CouldNotLook where the connection fails,
    UsageError for a replica or a pooler, and for a user without the necessary rights.
    """
    login = login_in_secret or login_in_tasks
    if UNFIT.search(login):
        raise UsageError("The login's name has a character that is not allowed in a PostgreSQL role.")
    login_in_url = database_connection.login_of(url)
    is_own = login_in_url is not None and (not login or login_in_url.user in ("", login))
    own_passwords = tuple(password for password in fallback_passwords if is_own and not password.matches(UNFIT))
    server_state, address = _read_server(url, own_passwords, login)
    former_role = login or server_state.user
    if former_role not in server_state.roles:
        raise UsageError(f'{address} has no role "{former_role}"{nearest(former_role, server_state.roles)}')
    partner = f"{former_role}{login_roles.CLONE}" if server_state.owner == former_role else server_state.owner
    reason = _why_one_role(server_state, login_in_secret, partner)
    if reason and server_state.user != former_role and not server_state.may_alter(former_role):
        raise UsageError(
            f"{server_state.user} may not change the password of {former_role} at {address}: use an administrator,"
            f" or {former_role} itself, in database_url_from."
        )
    role = former_role if reason else partner
    existing_role = server_state.roles.get(role)
    # The directory of a Unix socket, or its abstract name.
    is_socket = server_state.host.startswith(("/", "@"))
    return PasswordRotation(
        url=url,
        role=role,
        former_role=former_role,
        owner=former_role if reason else server_state.owner,
        exists=existing_role is not None,
        address=address,
        server=server or f"{'127.0.0.1' if is_socket else server_state.host}:{server_state.port}",
        reason=reason,
        sessions=existing_role.sessions if existing_role and not reason else 0,
        fallback_passwords=own_passwords,
    )


def _read_server(url: Masked, own_passwords: tuple[Masked, ...], login: str) -> tuple[ServerState, str]:
    """The server's state for a login, and its address; raises UsageError for a server that takes no change of a role.

    Raises CouldNotLook where the connection fails.
    """
    state = database_connection.run(url, own_passwords, lambda connection: login_roles.read_state(connection, login))
    if isinstance(state, Refusal):
        login_in_url = database_connection.login_of(url)
        at = f" at {login_in_url.host}" if login_in_url and login_in_url.host else ""
        raise CouldNotLook(f"Could not connect to the database{at} of database_url_from: {state.reason}.")
    address = f"{state.host}:{state.port}/{state.dbname}"
    if state.is_replica:
        raise UsageError(f"{address} is a read-only replica: set database_url_from to the primary.")
    if state.is_pooled:
        raise UsageError(f"{address} is a connection pooler: set database_url_from to the database server itself.")
    return state, address


def lock(rotation: PasswordRotation, passwords: Sequence[Masked] = ()) -> Connection:
    """Wait until no other run changes the owner's password; nobody else does until the connection is closed.

    `passwords` are tried where the URL is of the role itself, and its own is outdated. Raises CouldNotLook where the
    database refuses, or another run does not end within 15 seconds.
    """
    usable = tuple(each for each in passwords if not each.matches(UNFIT))
    locked = database_connection.lock(rotation.url, _own_passwords(rotation, usable), rotation.owner)
    if isinstance(locked, Refusal):
        raise CouldNotLook(
            f"Could not lock the password of {rotation.owner} at {rotation.address}: {locked.reason}. Another run may"
            " be changing it: run again."
        )
    return locked


def set_password(rotation: PasswordRotation, password: Masked) -> None:
    """Set the login role's new password in one transaction; a partner is created or repaired first.

    The server gets a SCRAM-SHA-256 verifier that libpq computes locally, never the password. Idempotent. Raises
    CouldNotLook where the database refuses.
    https://www.postgresql.org/docs/current/sql-alterrole.html
    """
    _refuse_unfit(password)

    def act(connection: Connection) -> None:
        if rotation.alternates:
            login_roles.prepare(connection, rotation.role, rotation.former_role, rotation.owner)
        login_roles.alter_password(connection, rotation.role, password)

    _run(rotation, "set a new password for", (password,), act)


def log_in(rotation: PasswordRotation, password: Masked) -> None:
    """Log in as the login role over TCP, to verify the password where tasks log in.

    Raises CouldNotLook where the login fails, or succeeds without a password.
    """
    _refuse_unfit(password)
    refusal = database_connection.log_in(rotation.url, rotation.role, password, rotation.server, rotation.owner)
    if refusal == NOT_ASKED:
        raise CouldNotLook(
            f"{rotation.server} let {rotation.role} in without a password, which verifies nothing:"
            " require scram-sha-256 in its pg_hba.conf."
        )
    if refusal:
        raise CouldNotLook(f"{rotation.server} refused {rotation.role} with the new password: {refusal.reason}.")


def restore_password(
    rotation: PasswordRotation,
    former_password: Masked | None,
    password: Masked | None = None,
    in_force: Masked | None = None,
) -> str:
    """Withdraw a new password, whether set or not; returns a sentence on what was done.

    A single role gets `former_password` again; a partner is left without a password, since nobody uses it. `password`
    is the new one, which may be the only one accepted where the URL is of the role itself. `in_force` is what the role
    has by the secret's current version, where somebody else has changed that: then that is its password. Raises
    CouldNotLook where the database refuses, or where a single role's former password is unknown.
    """
    former_password = in_force or former_password
    if not rotation.alternates and former_password is None:
        raise CouldNotLook(
            f"{rotation.role} at {rotation.address} keeps the new password: its former one is not known."
        )
    restored_password = None if rotation.alternates and not in_force else former_password
    if restored_password:
        _refuse_unfit(restored_password)
    passwords = tuple(each for each in (restored_password, password) if each and not each.matches(UNFIT))

    def act(connection: Connection) -> bool:
        is_there = login_roles.exists(connection, rotation.role)
        if is_there:
            login_roles.alter_password(connection, rotation.role, restored_password)
        return is_there

    is_there = _run(rotation, "take back the new password of", passwords, act)
    if not is_there:
        return f"The database at {rotation.address} has no role {rotation.role}: there was nothing to take back."
    if in_force:
        return (
            f"{rotation.role} has the password of the secret's current version in the database at {rotation.address}."
        )
    if restored_password:
        return f"{rotation.role} has its former password again in the database at {rotation.address}."
    unchanged = f"{rotation.former_role} is unchanged."
    return f"{rotation.role} no longer has a password in the database at {rotation.address}; {unchanged}"


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
        raise UsageError(f"{password.name} cannot be a password in PostgreSQL: it is empty or has invalid characters.")


def _why_one_role(server_state: ServerState, login_in_secret: str, partner: str) -> str:
    if not login_in_secret:
        return "the secret does not have the login's name"
    if len(partner.encode()) > LONGEST_NAME:
        return f"a second one would have a name of more than {LONGEST_NAME} bytes"
    if not (server_state.may_alter(partner) and server_state.may_alter(server_state.owner)):
        return f"{server_state.user} may not manage a second one"
    return ""


def _run(rotation: PasswordRotation, action: str, passwords: tuple[Masked, ...], act: Callable[[Connection], T]) -> T:
    result = database_connection.run(rotation.url, _own_passwords(rotation, passwords), act)
    if isinstance(result, Refusal):
        raise CouldNotLook(f"Could not {action} {rotation.role} at {rotation.address}: {result.reason}.")
    return result


def _own_passwords(rotation: PasswordRotation, passwords: tuple[Masked, ...]) -> tuple[Masked, ...]:
    """The passwords that may have become the role's own, where the URL is of that role."""
    login_in_url = database_connection.login_of(rotation.url)
    is_own = login_in_url is not None and login_in_url.user in ("", rotation.role)
    return (*rotation.fallback_passwords, *passwords) if is_own else ()
