"""Login roles of PostgreSQL: reads, creates and repairs them and sets their passwords, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from omc_runbook.changes.database.connection import Connection
from omc_runbook.masking.value import Masked, reveal

CLONE = "_clone"
"""The suffix of a partner's name, as in AWS's rotation with alternating users:
https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotation-strategy.html"""

ADMIN_NEEDED = 160_000
"""The server version from which CREATEROLE also needs ADMIN on the role itself."""

ABOUT_US = """
    SELECT session_user::text, rolsuper, rolcreaterole, pg_is_in_recovery(), pg_backend_pid()
    FROM pg_catalog.pg_roles WHERE rolname = current_user
"""

ROLES = """
    SELECT rolname::text, rolsuper, pg_has_role(current_user, oid, 'MEMBER WITH ADMIN OPTION'),
        (SELECT count(*)::int FROM pg_catalog.pg_stat_activity WHERE usesysid = one.oid)
    FROM pg_catalog.pg_roles AS one WHERE rolcanlogin OR rolname = ANY(%s)
"""

MEMBERSHIP = """
    SELECT FROM pg_catalog.pg_roles AS one, pg_catalog.pg_roles AS other
    WHERE one.rolname = %s AND other.rolname = %s AND pg_has_role(one.oid, other.oid, 'MEMBER')
"""

SETTINGS = """
    SELECT datname::text, split_part(word, '=', 1), substr(word, strpos(word, '=') + 1)
    FROM pg_catalog.pg_db_role_setting
    JOIN pg_catalog.pg_roles AS one ON one.oid = setrole
    LEFT JOIN pg_catalog.pg_database AS base ON base.oid = setdatabase
    CROSS JOIN unnest(setconfig) AS word
    LEFT JOIN pg_catalog.pg_settings AS known ON lower(known.name) = lower(split_part(word, '=', 1))
    WHERE rolname = %s AND coalesce(known.context, 'user') = 'user'
"""
"""Without settings reserved to superusers, which concern logs and the like."""

LIMITS = """
    SELECT rolconnlimit, CASE WHEN rolvaliduntil > now() THEN rolvaliduntil::text ELSE 'infinity' END
    FROM pg_catalog.pg_roles WHERE rolname = %s
"""


@dataclass(frozen=True)
class LoginRole:
    """A login role, as the connected user sees it."""

    is_superuser: bool
    is_administered: bool
    """Whether the connected user has ADMIN on it."""
    sessions: int


@dataclass(frozen=True)
class ServerState:
    """A server, the connected user, and the roles that may log in."""

    user: str
    is_superuser: bool
    creates_roles: bool
    is_replica: bool
    is_pooled: bool
    version: int
    host: str
    port: int
    dbname: str
    roles: Mapping[str, LoginRole]
    owner: str
    """The role whose partner the login role is; the login role itself where it is no partner."""

    def may_alter(self, role: str) -> bool:
        """Whether the user may alter a role and grant membership in it, or create it where it is missing.

        https://www.postgresql.org/docs/current/role-attributes.html, "role creation".
        """
        existing_role = self.roles.get(role)
        if self.is_superuser or existing_role is None:
            return self.is_superuser or self.creates_roles
        has_admin = self.version < ADMIN_NEEDED or existing_role.is_administered
        return self.creates_roles and has_admin and not existing_role.is_superuser


def read_state(connection: Connection, login: str) -> ServerState:
    """Read the server, the user and the roles around a login role, which is the user's own for ""."""
    ((user, is_superuser, creates_roles, is_replica, backend),) = connection.execute(ABOUT_US)
    role, info = login or user, connection.info
    base = role.removesuffix(CLONE)
    roles = connection.execute(ROLES, ([role, base, f"{role}{CLONE}"],))
    return ServerState(
        user=user,
        is_superuser=is_superuser,
        creates_roles=creates_roles,
        is_replica=is_replica,
        # A pooler gives its clients process ids of its own.
        is_pooled=backend != info.backend_pid,
        version=info.server_version,
        host=info.host,
        port=info.port,
        dbname=info.dbname,
        roles={name: LoginRole(*about) for name, *about in roles},
        owner=base if connection.execute(MEMBERSHIP, (role, base)).rowcount else role,
    )


def exists(connection: Connection, role: str) -> bool:
    """Whether a role exists."""
    return connection.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", (role,)).rowcount > 0


def prepare(connection: Connection, role: str, former: str, owner: str) -> None:
    """Prepare a role to log in instead of another: create it if missing, with the same limits and owner."""
    from psycopg.sql import SQL, Identifier, Literal

    if not exists(connection, role):
        connection.execute(SQL("CREATE ROLE {}").format(Identifier(role)))
    for limit, valid_until in connection.execute(LIMITS, (former,)):
        connection.execute(
            SQL("ALTER ROLE {} LOGIN INHERIT CONNECTION LIMIT {} VALID UNTIL {}").format(
                Identifier(role), Literal(limit), Literal(valid_until)
            )
        )
    if role == owner:
        return
    options = SQL(" WITH INHERIT TRUE, SET TRUE" if connection.info.server_version >= ADMIN_NEEDED else "")
    connection.execute(SQL("GRANT {} TO {}{}").format(Identifier(owner), Identifier(role), options))
    _copy_settings(connection, role, owner)


def alter_password(connection: Connection, role: str, password: Masked | None) -> None:
    """Set a role's password by its SCRAM-SHA-256 verifier, which libpq computes locally; None removes it."""
    from psycopg.sql import SQL, Identifier, Literal

    # A role may change its own password, but not after SET ROLE.
    connection.execute("SELECT set_config('role', 'none', true) WHERE session_user = %s", (role,))
    verifier = _verifier(connection, role, password) if password else None
    connection.execute(
        SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(role), Literal(reveal(verifier) if verifier else None))
    )


def _verifier(connection: Connection, role: str, password: Masked) -> Masked:
    verifier = connection.pgconn.encrypt_password(reveal(password).encode(), role.encode(), b"scram-sha-256")
    return Masked(verifier.decode(), f"{password.name}.verifier")


def _copy_settings(connection: Connection, role: str, owner: str) -> None:
    """Give a role its owner's session settings, and SET ROLE to the owner."""
    from psycopg.sql import SQL, Composed, Identifier, Literal

    def alter_role(dbname: str | None) -> Composed:
        scope = SQL(" IN DATABASE {}").format(Identifier(dbname)) if dbname else SQL("")
        return SQL("ALTER ROLE {}{}").format(Identifier(role), scope)

    current_settings, owner_settings = _settings(connection, role), _settings(connection, owner)
    if not any(name == "role" and dbname is None for dbname, name, _ in owner_settings):
        owner_settings.add((None, "role", owner))
    for dbname, name, _ in current_settings - owner_settings:
        connection.execute(SQL("{} RESET {}").format(alter_role(dbname), Identifier(*name.split("."))))
    for dbname, name, value in owner_settings - current_settings:
        if name == "role":
            connection.execute(SQL("{} SET role = {}").format(alter_role(dbname), Literal(value)))
            continue
        # FROM CURRENT, because a literal would turn a list into its only member.
        connection.execute("SELECT set_config(%s, %s, true)", (name, value))
        connection.execute(SQL("{} SET {} FROM CURRENT").format(alter_role(dbname), Identifier(*name.split("."))))


def _settings(connection: Connection, role: str) -> set[tuple[str | None, str, str]]:
    """Database (None for all), name and value of a role's session settings."""
    return {(dbname, name, value) for dbname, name, value in connection.execute(SETTINGS, (role,))}
