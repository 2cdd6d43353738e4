"""A connection to PostgreSQL: opened with a URL that stays masked, and told of in sentences when it fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from omc_runbook.masking import registry
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.errors import UsageError

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

CONNECT_SECONDS = 5
LIMITS = "SELECT set_config('statement_timeout', '5s', true), set_config('lock_timeout', '3s', true)"

LAST_REASON = re.compile(r".*failed: (?:\w+: +)?(.+)")
"""What a line of libpq's ends with; before it stand the address and the severity."""

T = TypeVar("T")


@dataclass(frozen=True)
class Refusal:
    """Why something could not be done, as the end of a sentence; and whether it ended at a password."""

    reason: str
    asked: bool = False


@dataclass(frozen=True)
class Login:
    """Whose login a URL is, and where."""

    user: str
    host: str


def require() -> None:
    """Raise UsageError where PostgreSQL's client is not installed."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise UsageError("A database_url_from needs psycopg: pip install 'omc-runbook[database]'.") from None


def login_of(url: Masked) -> Login | None:
    """Whose login a URL is, and where, with "" for what libpq would add; None where libpq cannot read it.

    The password in it is masked from now on, too. The grammar:
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
    return Login(parts.get("user", ""), parts.get("host", "") or parts.get("hostaddr", ""))


def run(url: Masked, passwords: Sequence[Masked], act: Callable[[Connection], T]) -> T | Refusal:
    """Connect and do something in one transaction; `passwords` are tried where the URL's own is refused.

    What `act` raises of psycopg's becomes a Refusal: such an error holds the password and may quote the statement,
    so none leaves this module, not even as the context of another.
    """
    import psycopg

    connection = _open(url)
    for password in passwords:
        if isinstance(connection, Refusal) and connection.asked:
            another = _open(url, password)
            connection = connection if isinstance(another, Refusal) else another
    if isinstance(connection, Refusal):
        return connection
    try:
        with connection:
            connection.execute(LIMITS)
            return act(connection)
    except psycopg.Error as error:
        return Refusal(_told(error))


def log_in(url: Masked, role: str, password: Masked, host: str, port: str, owner: str) -> Refusal | None:
    """Log in at the URL's database as another role; None where that proves that the password is the role's.

    `asked` of a refusal is False where the server let the role in without asking. A role that is not its own owner
    has to act as its owner from the start of the session.
    """
    import psycopg

    connection = _open(url, password, user=role, host=host, hostaddr="", port=port)
    if isinstance(connection, Refusal):
        return Refusal(connection.reason, asked=True)
    try:
        with connection:
            if not connection.pgconn.used_password:
                return Refusal("it did not ask for it")
            acting = connection.execute("SELECT current_user::text").fetchone()
            if role != owner and acting == (role,):
                return Refusal(f"it does not act as {owner}", asked=True)
            return None
    except psycopg.Error as error:
        return Refusal(_told(error), asked=True)


def _open(url: Masked, password: Masked | None = None, **instead: str) -> Connection | Refusal:
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
                **instead,
            )
        )
    except psycopg.Error as error:
        ended = error.pgconn
        return Refusal(_told(error), asked=bool(ended and (ended.used_password or ended.needs_password)))
    except UnicodeError:
        return Refusal("its host has a name that cannot be looked up")


def _told(error: psycopg.Error) -> str:
    """An error's reason in one line, without the statement that it may quote."""
    text = error.diag.message_primary or "; ".join(dict.fromkeys(LAST_REASON.findall(str(error)))) or str(error)
    return registry.mask(" ".join(text.split()).rstrip("."))
