"""The healthy world's database: a login role that owns it, with the name and password that the secret has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from omc_runbook.model.errors import RunbookError
from omc_runbook.sandbox.postgres import Database

if TYPE_CHECKING:
    import psycopg

LOGIN_KEY, PASSWORD_KEY = "POSTGRES_USER", "POSTGRES_PASSWORD"
ROLE = "app"


def with_login(document: Mapping[str, str], database: Database | None) -> dict[str, str]:
    """A secret's document, with the login's name as well if there is a database."""
    return {**document, LOGIN_KEY: ROLE} if database else {**document}


def login_keys(database: Database | None) -> tuple[str, ...]:
    """The keys that a secret has only for a database."""
    return tuple(with_login({}, database))


def variables(database: Database | None) -> dict[str, str]:
    """The plain variables by which a container finds the database."""
    if database is None:
        return {}
    return {"POSTGRES_SERVER": database.host, "POSTGRES_PORT": str(database.port), "POSTGRES_DB": database.dbname}


def restore_login(database: Database | None, document: Mapping[str, str]) -> None:
    """Create or repair the document's login, with the document's password, and its database.

    Does nothing without a server; raises RunbookError if that does not answer.
    """
    if database is None:
        return
    import psycopg
    from psycopg.sql import SQL, Identifier, Literal

    role, dbname = Identifier(document[LOGIN_KEY]), Identifier(database.dbname)
    try:
        with psycopg.connect(database.administrator_url, dbname="postgres", autocommit=True) as connection:
            # The server logs every statement, so the password is hashed here.
            verifier = connection.pgconn.encrypt_password(
                document[PASSWORD_KEY].encode(), document[LOGIN_KEY].encode(), b"scram-sha-256"
            )
            if not _exists(connection, "pg_roles", "rolname", document[LOGIN_KEY]):
                connection.execute(SQL("CREATE ROLE {}").format(role))
            connection.execute(
                SQL("ALTER ROLE {} LOGIN PASSWORD {} VALID UNTIL 'infinity'").format(role, Literal(verifier.decode()))
            )
            if not _exists(connection, "pg_database", "datname", database.dbname):
                connection.execute(SQL("CREATE DATABASE {} OWNER {}").format(dbname, role))
    except psycopg.OperationalError as error:
        raise RunbookError(f"The sandbox's database does not answer ({error}): restart the sandbox.") from None


def _exists(connection: psycopg.Connection, catalog: str, column: str, name: str) -> bool:
    from psycopg.sql import SQL, Identifier

    query = SQL("SELECT FROM {} WHERE {} = %s").format(Identifier(catalog), Identifier(column))
    return connection.execute(query, (name,)).rowcount > 0
