"""Connections to PostgreSQL with a masked URL, and their errors as sentences."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from omc_runbook.masking import registry
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.errors import UsageError

if TYPE_CHECKING:
    import psycopg

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

CONNECT_SECONDS = 5
LIMITS = "SELECT set_config('statement_timeout', '5s', true), set_config('lock_timeout', '3s', true)"
LOCK_SECONDS, RETRY_SECONDS = 15.0, 0.1
WAIT_FOR_LOCK = "SELECT set_config('lock_timeout', %s, false)"
LOCK = "SELECT pg_advisory_lock(hashtext('omc-runbook'), hashtext(%s))"
UNLOCK = "SELECT pg_advisory_unlock_all()"
ELSEWHERE = """
    SELECT other.database < own.database
    FROM pg_catalog.pg_locks AS own JOIN pg_catalog.pg_locks AS other USING (locktype, classid, objid, objsubid)
    WHERE locktype = 'advisory' AND own.pid = pg_backend_pid() AND other.granted AND other.database <> own.database
"""
"""Who has our lock in another database of the server: whether that database comes before ours."""

LAST_REASON = re.compile(r".*failed: (?:\w+: +)?(.+)")
"""The end of a libpq error line, after address and severity."""

T = TypeVar("T")


@dataclass(frozen=True)
class Refusal:
    """Why the server or libpq refused, as the end of a sentence, and whether a password was asked for."""

    reason: str
    password_checked: bool = False


NOT_ASKED = Refusal("it did not ask for a password")
"""Stands for a login that verifies nothing."""


@dataclass(frozen=True)
class Login:
    """The user, the host and the port of a URL."""

    user: str
    host: str
    port: str = ""


def require() -> None:
    """Raise UsageError where PostgreSQL's client is not installed."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise UsageError("A database_url_from needs psycopg: pip install 'omc-runbook[database]'.") from None


def login_of(url: Masked) -> Login | None:
    """The user, the host and the port of a URL, "" for libpq's defaults; None where libpq cannot parse it.

    Its password is masked from now on, too. The grammar:
    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
    """
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = {name: str(part) for name, part in conninfo_to_dict(reveal(url)).items()}
    except psycopg.ProgrammingError:
        return None
    for secret in ("password", "sslpassword"):
        Masked(parts.get(secret, ""), f"{url.name}.{secret}")
    return Login(parts.get("user", ""), parts.get("host", "") or parts.get("hostaddr", ""), parts.get("port", ""))


def run(url: Masked, passwords: Sequence[Masked], act: Callable[[Connection], T]) -> T | Refusal:
    """Call `act` in one transaction; `passwords` are tried where the URL's own is refused.

    A psycopg error of `act` becomes a Refusal: it contains the password and may quote the statement, so none leaves
    this module, not even as the context of another exception.
    """
    import psycopg

    connection = _open_with_one_of(url, passwords)
    if isinstance(connection, Refusal):
        return connection
    try:
        with connection:
            connection.execute(LIMITS)
            return act(connection)
    except psycopg.Error as error:
        return Refusal(_reason(error))


def lock(url: Masked, passwords: Sequence[Masked], name: str) -> Connection | Refusal:
    """Wait until nobody else has the lock of a name in any database; it is ours until the connection is closed.

    It goes with its process, however that ends. An advisory lock is of one database, and roles are of all: whoever has
    taken it looks for others who have it elsewhere, gives way to one in a database before this one, and waits for one
    in a database after it. pg_locks shows everybody the locks of all databases:
    https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS,
    https://www.postgresql.org/docs/current/view-pg-locks.html
    """
    import psycopg

    connection = _open_with_one_of(url, passwords)
    if isinstance(connection, Refusal):
        return connection
    try:
        connection.autocommit = True
        has_lock = _lock_everywhere(connection, name, time.monotonic() + LOCK_SECONDS)
    except psycopg.Error as error:
        connection.close()
        return Refusal(_reason(error))
    if not has_lock:
        connection.close()
        return Refusal("it is locked from another database of the server")
    return connection


def log_in(url: Masked, role: str, password: Masked, server: str, owner: str = "") -> Refusal | None:
    """Log in at the URL's database as another role, at host:port; None where that proves the role's password.

    NOT_ASKED where the server let the role in without a password. A role with another `owner` must have that as
    current_user.
    """
    import psycopg

    host, _, port = server.rpartition(":")
    connection = _open(url, password, user=role, host=host.strip("[]"), hostaddr="", port=port)
    if isinstance(connection, Refusal):
        return connection
    try:
        with connection:
            if not connection.pgconn.used_password:
                return NOT_ASKED
            if owner in ("", role):
                return None
            current_user = connection.execute("SELECT current_user::text").fetchone()
            if current_user == (role,):
                return Refusal(f"it does not act as {owner}", password_checked=True)
            return None
    except psycopg.Error as error:
        return Refusal(_reason(error), password_checked=True)


def _lock_everywhere(connection: Connection, name: str, deadline: float) -> bool:
    """Take the lock, and wait until nobody has it in another database; False where that takes too long."""
    has_lock = False
    while (seconds := deadline - time.monotonic()) > 0:
        if not has_lock:
            connection.execute(WAIT_FOR_LOCK, (f"{max(1, round(seconds * 1000))}ms",))
            connection.execute(LOCK, (name,))
            has_lock = True
        others = [gives_way for (gives_way,) in connection.execute(ELSEWHERE)]
        if not others:
            return True
        if any(others):
            connection.execute(UNLOCK)
            has_lock = False
        time.sleep(RETRY_SECONDS)
    return False


def _open_with_one_of(url: Masked, passwords: Sequence[Masked]) -> Connection | Refusal:
    """Connect with the URL's own password, or where that is refused with one of these."""
    connection = _open(url)
    for password in passwords:
        if isinstance(connection, Refusal) and connection.password_checked:
            second_connection = _open(url, password)
            connection = connection if isinstance(second_connection, Refusal) else second_connection
    return connection


def _open(url: Masked, password: Masked | None = None, **overrides: str) -> Connection | Refusal:
    import psycopg
    from psycopg.conninfo import make_conninfo

    try:
        return psycopg.connect(
            make_conninfo(
                reveal(url),
                connect_timeout=CONNECT_SECONDS,
                tcp_user_timeout=CONNECT_SECONDS * 1000,
                application_name="omc-runbook",
                client_encoding="utf8",
                password=reveal(password) if password else None,
                **overrides,
            )
        )
    except psycopg.Error as error:
        pgconn = error.pgconn
        return Refusal(
            _reason(error), password_checked=bool(pgconn and (pgconn.used_password or pgconn.needs_password))
        )
    except UnicodeError:
        return Refusal("its host name cannot be resolved")


def _reason(error: psycopg.Error) -> str:
    """An error's reason in one line, without the quoted statement."""
    text = error.diag.message_primary or "; ".join(dict.fromkeys(LAST_REASON.findall(str(error)))) or str(error)
    return registry.mask(" ".join(text.split()).rstrip("."))
