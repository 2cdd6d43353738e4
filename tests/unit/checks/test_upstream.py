"""Whether what the secret is for takes its values: told by the logs of tasks that failed, in many wordings."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from support.check_assertions import by_id
from support.faults.upstream import REFUSED, changed, deployed, saying
from support.snapshots import (
    ARN,
    CURRENT,
    DEPLOYED,
    NOW,
    PREVIOUS,
    document,
    event,
    healthy,
    rotated,
    stuck,
    with_container,
    with_definition,
    with_keys,
    with_secret,
    with_values,
)

from omc_runbook.aws.definitions import Injection
from omc_runbook.aws.secretsmanager import Replica
from omc_runbook.checks import upstream
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.model.value_from import parse
from omc_runbook.snapshot.state import Snapshot

CHECKS = by_id(checks_of(upstream))


def unchanged(snapshot: Snapshot) -> Snapshot:
    """Let AWSPREVIOUS hold the same values."""
    return with_values(snapshot, document(snapshot), PREVIOUS)


def root_causes(snapshot: Snapshot) -> list[str]:
    """The root causes of a snapshot, each with its subject."""
    return [f"{finding.check} {finding.subject}" for finding in diagnose(snapshot) if finding.is_root_cause]


def test_without_the_logs_it_is_skipped() -> None:
    """Verify does not read logs, and does not say that they are in order."""
    assert [finding.status for finding in run_check(CHECKS["store-only"], healthy())] == ["skipped"]


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("POSTGRES_PASSWORD", REFUSED),
        ("POSTGRES_PASSWORD", "asyncpg.exceptions.InvalidPasswordError: password authentication failed for user app"),
        ("POSTGRES_PASSWORD", "OperationalError: (1045, \"Access denied for user 'app'@'10.0.0.1'\")"),
        ("POSTGRES_PASSWORD", "Login failed for user 'app'."),
        ("POSTGRES_PASSWORD", "psycopg2.OperationalError: FATAL:  SASL authentication failed"),
        ("POSTGRES_PASSWORD", "The server requested SCRAM-based authentication, but no password was provided."),
        ("POSTGRES_PASSWORD", "Error: SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string"),
        ("POSTGRES_PASSWORD", "FATAL: The password that was provided for the role app is wrong."),
        ("OPENAI_API_KEY", "openai.AuthenticationError: Error code: 401 - {'code': 'invalid_api_key'}"),
        ("OPENAI_API_KEY", "Incorrect API key provided: ‹OPENAI_API_KEY›. You can find your API key at the provider"),
        ("SMTP_PASSWORD", "smtplib.SMTPAuthenticationError: (535, b'5.7.8 Username and Password not accepted')"),
        ("SMTP_PASSWORD", "535 Authentication failed"),
        ("SENTRY_DSN", "sentry_sdk.utils.BadDsn: Unsupported scheme ''"),
        ("SENTRY_DSN", "ERROR: Invalid Sentry DSN"),
        ("SECRET_KEY", "upstream error 401: token signed with ‹SECRET_KEY› refused"),
    ],
)
def test_wordings_point_at_their_key(key: str, line: str) -> None:
    """Each database and provider has its words, and the key that they mean is the one root cause."""
    assert root_causes(changed(line, key, "backend")(healthy())) == [f"store-only {key}"]


def test_a_key_of_the_providers_name() -> None:
    """A key that the catalogue does not have is recognised by the name in it."""
    entry = Injection("COINSPOT_API_KEY", parse(f"{ARN}:COINSPOT_API_KEY::"))
    snapshot = with_container(healthy(), "worker", lambda old: replace(old, secrets=(*old.secrets, entry)))
    with_failures = changed("coinspot answered 401 Unauthorized: invalid credentials", "COINSPOT_API_KEY")(snapshot)
    assert root_causes(with_failures) == ["store-only COINSPOT_API_KEY"]


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("AWS_ACCESS_KEY_ID", "An error occurred (InvalidAccessKeyId) when calling the PutObject operation"),
        ("AWS_ACCESS_KEY_ID", "An error occurred (AuthFailure) when calling the DescribeInstances operation"),
        ("AWS_SESSION_TOKEN", "An error occurred (ExpiredToken) when calling the PutObject operation"),
        *((key, REFUSED) for key in ("RDS_PASSWORD", "PGPASSWORD", "DB_PASS", "MYDB_URL", "SQLALCHEMY_DATABASE_URI")),
        *((key, REFUSED) for key in ("app-db-password", "app.pg.url", "appDbPassword", "appDBPassword")),
        ("app-db-url", "pymongo.errors.OperationFailure: Authentication failed., full error: {'code': 18}"),
        ("MONGO_URL", "pymongo.errors.OperationFailure: Authentication failed., full error: {'code': 18}"),
        ("RABBITMQ_URL", "ConnectionClosedByBroker: (403) 'ACCESS_REFUSED - Login was refused using mechanism PLAIN'"),
        ("SLACK_BOT_TOKEN", "SlackApiError: The server responded with: {'ok': False, 'error': 'token_revoked'}"),
        ("SLACK_BOT_TOKEN", 'slack: 200 {"ok":false,"error":"token_expired"}'),
        ("SLACK_BOT_TOKEN", "Error: An API error occurred: { ok: false, error: 'account_inactive' }"),
        ("REDIS_URL", "ReplyError: ERR invalid password"),
        ("REDIS_URL", "ReplyError: NOAUTH Authentication required."),
        ("BINANCE_API_KEY", "BinanceAPIException: APIError(code=-2015): Invalid API-key, IP, or permissions"),
        ("BINANCE_API_KEY", "BinanceAPIException: APIError(code=-2014): API-key format invalid."),
        ("BINANCE_API_SECRET", "BinanceAPIException: APIError(code=-1022): Signature for this request is not valid."),
        ("KRAKEN_API_SECRET", "kraken: {'error': ['EAPI:Invalid signature']}"),
        ("TWILIO_AUTH_TOKEN", "twilio.base.exceptions.TwilioRestException: HTTP 401 error: Unable to create record"),
        ("DISCORD_TOKEN", "discord.errors.LoginFailure: Improper token has been passed."),
        ("GOOGLE_CLIENT_SECRET", "InvalidClientError: (invalid_client) The provided client secret is invalid."),
        ("NEW_RELIC_LICENSE_KEY", "newrelic: ForceAgentDisconnect: invalid license key"),
        ("ELASTIC_PASSWORD", "AuthenticationException(401, 'x', 'unable to authenticate user [elastic] for REST')"),
    ],
)
def test_a_key_of_another_system_beside_the_databases(key: str, line: str) -> None:
    """Each system's own words accuse its key, and not the password of the database as well."""
    entry = Injection(key, parse(f"{ARN}:{key}::"))
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(*old.secrets, entry)))
    with_failures = changed(line, key, "backend")(snapshot)
    [found] = [each for each in run_check(CHECKS["store-only"], with_failures) if each.status == "found"]
    assert found.subject == key


@pytest.mark.parametrize("system", ["GOOGLE", "AZURE"])
def test_of_several_client_secrets_the_named_or_changed_one_is_accused(system: str) -> None:
    """The words alone are those of every provider of OAuth."""
    keys = ("GOOGLE_CLIENT_SECRET", "AZURE_CLIENT_SECRET")
    entries = tuple(Injection(key, parse(f"{ARN}:{key}::")) for key in keys)
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(*old.secrets, *entries)))
    with_failures = saying(unchanged(snapshot), f"oauth {system.lower()}: invalid_client", "backend")
    found = [each for each in run_check(CHECKS["store-only"], with_failures) if each.status == "found"]
    assert [each.subject for each in found] == [f"{system}_CLIENT_SECRET"]
    unnamed = changed("oauth: invalid_client", f"{system}_CLIENT_SECRET", "backend")(snapshot)
    found = [each for each in run_check(CHECKS["store-only"], unnamed) if each.status == "found"]
    assert [each.subject for each in found] == [f"{system}_CLIENT_SECRET"]


@pytest.mark.parametrize(
    "line",
    [
        "stripe.error.AuthenticationError: Expired API key provided: sk_test_****",
        "anthropic.AuthenticationError: Error code: 401 - invalid x-api-key, an API key of Anthropic's console",
    ],
)
def test_a_provider_that_is_named_accuses_no_others_key(line: str) -> None:
    """The one API key of the secret is OpenAI's."""
    assert root_causes(saying(unchanged(healthy()), line)) == ["rollout-stuck worker"]


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("FIRST_SUPERUSER_PASSWORD", "SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string"),
        ("GOOGLE_CLIENT_SECRET", "SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string"),
        ("MEDIA_SERVER_TOKEN", "The server requested SCRAM-based authentication, but no password was provided."),
        ("REDIS_PASSWORD", "FATAL: server login failed: wrong password type"),
        ("REDIS_PASSWORD", "ERROR no authorization header in the request"),
        ("FEEDBACK_URL", REFUSED),
        ("feedbackUrl", REFUSED),
        ("UPGRADE_URL", REFUSED),
        ("PGADMIN_DEFAULT_PASSWORD", REFUSED),
    ],
)
def test_a_drivers_own_words_accuse_no_key_of_another_system(key: str, line: str) -> None:
    """What the driver lacks, no reference of the container has."""
    entry = Injection(key, parse(f"{ARN}:{key}::"))
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(entry,)))
    with_failures = changed(line, key, "backend")(snapshot)
    assert [each.status for each in run_check(CHECKS["store-only"], with_failures)] == ["clear"]


@pytest.mark.parametrize(
    ("key", "line", "is_named"),
    [
        ("NEWSCATCHER_API_KEY", "Client error '401 Unauthorized' for url 'https://api.newscatcherapi.com/v2'", True),
        ("GITHUB_TOKEN", "GithubException: 401 Bad credentials", True),
        ("GITHUB_TOKEN", "PyGithub: 401 Bad credentials", True),
        ("GITHUB_TOKEN", "https://githubusercontent.test: 401 Unauthorized", True),
        ("GITHUB_TOKEN", "legithubs: 401 Unauthorized", False),
        ("EXAS_TOKEN", "ExasError: 401 Unauthorized", True),
        ("EXAS_TOKEN", "https://api.exas.test: 401 Unauthorized", True),
        ("EXAS_TOKEN", "hexas: 401 Unauthorized", False),
        ("NEWS_API_TOKEN", "Client error '401 Unauthorized' for url 'https://newsapi.org/v2/everything'", True),
        ("COIN_GECKO_TOKEN", "401 Client Error: Unauthorized for url: https://api.coingecko.com/api/v3", True),
        ("MY_API_TOKEN", "GET /myapi/token: 401 Unauthorized", False),
        ("NEWS_API_TOKEN", "Client error '401 Unauthorized' for url 'https://api.newscatcherapi.com/v2'", False),
        ("DATA_API_TOKEN", "ERROR database worker: 401 Unauthorized", False),
        ("REST_API_TOKEN", "ERROR restarting: 401 Unauthorized", False),
        ("MAIN_TOKEN", "ERROR app.main: 401 Unauthorized", False),
    ],
)
def test_a_providers_name_is_a_word(key: str, line: str, is_named: bool) -> None:
    """A short word within another word is no name."""
    entry = Injection(key, parse(f"{ARN}:{key}::"))
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(*old.secrets, entry)))
    found = run_check(CHECKS["store-only"], changed(line, key, "backend")(snapshot))
    assert [each.subject for each in found if each.status == "found"] == [key] * is_named


@pytest.mark.parametrize(
    ("address", "is_named"),
    [("redis://:{}@cache:6379/0", True), ("rediss://x:{}@cache/0", True), ("amqp://x:{}@cache/", False), ("{}", False)],
)
def test_an_address_of_the_system_is_accused_whatever_its_key_is_called(address: str, is_named: bool) -> None:
    """Celery's broker may be Redis, and the words are Redis' own."""
    entry = Injection("TASKS_AT", parse(f"{ARN}:TASKS_AT::"))
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(*old.secrets, entry)))
    valued = with_keys(snapshot, TASKS_AT=address.format(secrets.token_hex(16)))
    line = "consumer: Cannot connect to redis://:**@cache:6379/0: WRONGPASS invalid username-password pair"
    found = run_check(CHECKS["store-only"], saying(unchanged(valued), line, "backend"))
    assert [each.subject for each in found if each.status == "found"] == ["TASKS_AT"] * is_named


@pytest.mark.parametrize(
    ("scheme", "line"),
    [
        ("postgresql+asyncpg", REFUSED),
        ("mysql", "Access denied for user 'app'@'10.0.1.7'"),
        ("mongodb+srv", "pymongo.errors.OperationFailure: Authentication failed."),
        ("amqps", "(403) 'ACCESS_REFUSED - Login was refused using mechanism PLAIN'"),
    ],
)
def test_each_system_has_its_schemes(scheme: str, line: str) -> None:
    """Of two addresses under names that tell nothing, the one of the system that refuses is accused."""
    addresses = {name: f"{each}://x:{secrets.token_hex(16)}@host/a" for name, each in (("A", scheme), ("B", "smtp"))}
    entries = tuple(Injection(key, parse(f"{ARN}:{key}::")) for key in addresses)
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=entries))
    found = run_check(CHECKS["store-only"], saying(unchanged(with_keys(snapshot, **addresses)), line, "backend"))
    assert [each.subject for each in found if each.status == "found"] == ["A"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('password authentication failed for user "app"', {"POSTGRES_PASSWORD"}),
        ('password authentication failed for user "reports"', {"REPORTS_URL"}),
        ("(1045, \"Access denied for user 'reports'@'10.0.1.7'\")", {"REPORTS_URL"}),
        ("Login failed for user 'nobody'.", set()),
        ("password authentication failed for user ‹POSTGRES_USER›", {"POSTGRES_PASSWORD"}),
    ],
)
@pytest.mark.parametrize("user", ["app", "app.project", "App@server"])
def test_the_login_that_a_database_names_tells_whose_password_it_refused(
    line: str, expected: set[str], user: str
) -> None:
    """A password of another login was not refused, whatever its key is called; poolers cut a user's name."""
    entry = Injection("REPORTS_URL", parse(f"{ARN}:REPORTS_URL::"))
    snapshot = with_container(
        healthy(), "backend", lambda old: replace(old, secrets=(*old.secrets, entry), logins=(("POSTGRES_USER", user),))
    )
    valued = with_keys(snapshot, REPORTS_URL=f"postgresql://reports:{secrets.token_hex(16)}@db/reports")
    found = run_check(CHECKS["store-only"], saying(unchanged(valued), line, "backend"))
    assert {each.subject for each in found if each.status == "found"} == expected
    # Whose password nobody was known to have may be part of a longer value.
    assert expected or [(each.status, each.evidence[-1].partition(",")[0]) for each in found] == [
        ("unknown", "The database refused the login nobody")
    ]


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://:{}@db/reports",
        "postgresql://db/reports?password={}",
        "jdbc:postgresql://db/reports?user=${{DB_USER}}&password={}",
        "jdbc:postgresql://db/reports?user=reports&password={}",
    ],
)
def test_an_address_that_names_no_user_may_be_of_any(address: str) -> None:
    """PGUSER, or what fills in a placeholder, names it."""
    entry = Injection("WAREHOUSE_URL", parse(f"{ARN}:WAREHOUSE_URL::"))
    user = (("POSTGRES_USER", "app"),)
    snapshot = with_container(
        healthy(), "backend", lambda old: replace(old, secrets=(*old.secrets, entry), logins=user)
    )
    valued = with_keys(snapshot, WAREHOUSE_URL=address.format(secrets.token_hex(16)))
    line = 'password authentication failed for user "reports"'
    found = run_check(CHECKS["store-only"], saying(unchanged(valued), line, "backend"))
    assert [each.subject for each in found if each.status == "found"] == ["WAREHOUSE_URL"]


def test_a_login_is_that_of_the_container_with_the_password() -> None:
    """A sidecar has another one, and so has a key that the container does not get."""
    app, exporter = (("POSTGRES_USER", "app"),), (("POSTGRES_USER", "exporter"),)
    snapshot = with_definition(
        with_keys(healthy(), POSTGRES_USER="owner"),
        "backend",
        lambda old: replace(
            old,
            containers=(
                replace(old.containers[0], logins=app),
                replace(old.containers[0], name="metrics", secrets=(), logins=exporter),
            ),
        ),
    )
    for user, expected in (("app", ["POSTGRES_PASSWORD"]), ("exporter", []), ("owner", [])):
        line = f'password authentication failed for user "{user}"'
        found = run_check(CHECKS["store-only"], saying(unchanged(snapshot), line, "backend"))
        assert [each.subject for each in found if each.status == "found"] == expected, user


@pytest.mark.parametrize(
    ("login", "key"),
    [
        *(("POSTGRES_USER", "POSTGRES_PASSWORD"), ("SMTP_USER", "SMTP_PASSWORD")),
        *(("REPORTS_DB_USER", "REPORTS_DB_PASSWORD"), ("username", "password"), ("PGUSER", "PGPASSWORD")),
        *(("db_user", "db_password"), ("DB_USERNAME", "DB_PWD")),
    ],
)
def test_a_masked_login_accuses_its_password(login: str, key: str) -> None:
    """The login itself, which the log has as its key's label, was not refused; a name that ends alike tells which.

    Amazon RDS calls them username and password.
    """
    names = [login, *([key] if key not in document(healthy()) else ())]
    entries = tuple(Injection(name, parse(f"{ARN}:{name}::")) for name in names)
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(*old.secrets, *entries)))
    valued = with_keys(snapshot, **{name: secrets.token_hex(16) for name in names})
    found = run_check(CHECKS["store-only"], saying(unchanged(valued), f'login failed for user "‹{login}›"', "backend"))
    assert [each.subject for each in found if each.status == "found"] == [key]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "pymysql.err.OperationalError: (1045, \"Access denied for user 'app'@'10.0.1.7' (using password: YES)\")",
            "B",
        ),
        ("Error 1045 (28000): Access denied for user 'app'@'10.0.1.7' (using password: YES)", "B"),
        ('pq: password authentication failed for user "app"', "A"),
        ("mssql: login error: Login failed for user 'app'.", "C"),
        ("pymongo.errors.OperationFailure: bad auth : authentication failed, full error: {'code': 8000}", "D"),
        ("psycopg.OperationalError: connection failed: fe_sendauth: no password supplied", "A"),
    ],
)
def test_a_databases_own_words_accuse_no_key_of_another_database(line: str, expected: str) -> None:
    """Neither by the key's name nor by the address in its value."""
    schemes = {"A": "postgresql", "B": "mysql+pymysql", "C": "mssql+pyodbc", "D": "mongodb+srv"}
    urls = {f"{name}_DATABASE_URL": f"{each}://app:{secrets.token_hex(16)}@db/app" for name, each in schemes.items()}
    named = {"A": "POSTGRES_PASSWORD", "B": "MYSQL_PASSWORD", "C": "MSSQL_PASSWORD", "D": "MONGO_PASSWORD"}
    passwords = {name: secrets.token_hex(16) for name in named.values()}
    for values, subject in ((urls, f"{expected}_DATABASE_URL"), (passwords, named[expected])):
        entries = tuple(Injection(key, parse(f"{ARN}:{key}::")) for key in values)
        snapshot = with_container(healthy(), "backend", partial(replace, secrets=entries))
        found = run_check(CHECKS["store-only"], saying(unchanged(with_keys(snapshot, **values)), line, "backend"))
        assert [each.subject for each in found if each.status == "found"] == [subject]


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("MYSQL_PASSWORD", "(1044, \"Access denied for user 'app'@'%' to database 'prod'\")"),
        ("RABBITMQ_URL", "(403, \"ACCESS_REFUSED - access to queue 'jobs' in vhost '/' refused for user 'app'\")"),
        ("RABBITMQ_URL", "ACCESS_REFUSED - write access to exchange 'amq.topic' in vhost '/' refused for user 'app'"),
    ],
)
def test_what_a_user_may_not_do_accuses_no_password(key: str, line: str) -> None:
    """The login came before, with the right password."""
    entry = Injection(key, parse(f"{ARN}:{key}::"))
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(*old.secrets, entry)))
    found = run_check(CHECKS["store-only"], changed(line, key, "backend")(snapshot))
    assert [each.status for each in found] == ["clear"]


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("MYSQL_PASSWORD", "(1045, \"Access denied for user 'app'@'10.0.1.7' (using password: NO)\")"),
        ("REDIS_PASSWORD", "redis.exceptions.AuthenticationError: Authentication required."),
        ("REDIS_PASSWORD", "ReplyError: NOAUTH Authentication required."),
        ("REDIS_PASSWORD", "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO"),
    ],
)
def test_a_password_that_a_server_did_not_get_was_not_refused(key: str, line: str) -> None:
    """To change it where it is checked would mend nothing."""
    entry = Injection(key, parse(f"{ARN}:{key}::"))
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(*old.secrets, entry)))
    found = run_check(CHECKS["store-only"], changed(line, key, "backend")(snapshot))
    [lacking] = [each for each in found if each.subject == key]
    assert "no password: the value itself was not refused." in lacking.evidence[-1]
    assert "by the variable's name" in lacking.remedy.command


def test_a_login_in_a_log_of_json_is_read_too() -> None:
    """Its quotes are escaped there."""
    entry = Injection("REPORTS_URL", parse(f"{ARN}:REPORTS_URL::"))
    app = (("POSTGRES_USER", "app"),)
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(*old.secrets, entry), logins=app))
    valued = with_keys(snapshot, REPORTS_URL=f"postgresql://reports:{secrets.token_hex(16)}@db/reports")
    line = '{"level":"fatal","msg":"pq: password authentication failed for user \\"app\\""}'
    found = run_check(CHECKS["store-only"], saying(unchanged(valued), line, "backend"))
    assert [each.subject for each in found if each.status == "found"] == ["POSTGRES_PASSWORD"]


@pytest.mark.parametrize(
    ("line", "login"),
    [
        ("Access denied for user 'orders'@'10.0.1.7' (using password: YES)", "the login orders"),
        ('ERROR app: Login failed for user "orders"', "the login orders"),
        ("MongoServerError: Authentication failed.", "a login"),
    ],
)
def test_a_refusal_that_no_key_can_explain_is_not_silent(line: str, login: str) -> None:
    """The only address is another database's, or the application says another database's words itself."""
    entry = Injection("DATABASE_URL", parse(f"{ARN}:DATABASE_URL::"))
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(entry,)))
    valued = with_keys(snapshot, DATABASE_URL=f"postgresql://orders:{secrets.token_hex(16)}@db/app")
    [found] = run_check(CHECKS["store-only"], saying(unchanged(valued), line, "backend"))
    assert (found.status, found.evidence[-1].partition(",")[0]) == ("unknown", f"The database refused {login}")


@pytest.mark.parametrize(
    "line", ["Login failed for user 'CORP\\app'.", '{"msg":"Login failed for user \'CORP\\\\app\'."}']
)
def test_a_login_of_a_domain_is_read_whole(line: str) -> None:
    """SQL Server names it with a backslash, which a log of JSON doubles."""
    names = {"A_DATABASE_URL": "CORP%5Capp", "B_DATABASE_URL": "reports"}
    urls = {key: f"mssql+pyodbc://{user}:{secrets.token_hex(16)}@db/app" for key, user in names.items()}
    entries = tuple(Injection(key, parse(f"{ARN}:{key}::")) for key in urls)
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=entries))
    found = run_check(CHECKS["store-only"], saying(unchanged(with_keys(snapshot, **urls)), line, "backend"))
    assert [each.subject for each in found if each.status == "found"] == ["A_DATABASE_URL"]


@pytest.mark.parametrize("has_changed", [True, False])
@pytest.mark.parametrize("owner", [{"primary": Replica("us-east-1", "")}, {"owning_service": "rds"}])
def test_nobody_is_told_to_take_back_a_value_that_something_else_writes(
    owner: dict[str, Any], has_changed: bool
) -> None:
    """AWS refuses to move the version stages of such a secret, and rotate and restore to change it."""
    refused = changed(REFUSED)(healthy()) if has_changed else saying(unchanged(healthy()), REFUSED)
    [found] = [
        each for each in run_check(CHECKS["store-only"], with_secret(refused, **owner)) if each.status == "found"
    ]
    assert not found.remedy.runbook and "update-secret-version-stage" not in found.remedy.command
    assert found.remedy.command.startswith("In psql, ") and found.remedy.command.endswith("for new tasks.")


@pytest.mark.parametrize("word", ["token_expired", "token_revoked", "account_inactive"])
def test_an_answer_to_the_applications_own_user_accuses_no_key(word: str) -> None:
    """Libraries for JWT have the words that Slack has."""
    entry = Injection("SLACK_BOT_TOKEN", parse(f"{ARN}:SLACK_BOT_TOKEN::"))
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(*old.secrets, entry)))
    with_failures = changed(f'401 {{"error": "{word}", "path": "/api/users/me"}}', "SLACK_BOT_TOKEN", "backend")(
        snapshot
    )
    assert "store-only" not in {
        each.check for each in run_check(CHECKS["store-only"], with_failures) if each.status == "found"
    }


@pytest.mark.parametrize(
    "line",
    [
        '"GET /api/users/me HTTP/1.1" 401 Unauthorized',
        "ValueError: SECRET_KEY: field required",
        'INFO:     10.0.1.7:53424 - "GET /api/v1/openai/models HTTP/1.1" 401 Unauthorized',
        '[INFO] 10.0.1.7:53424 - - [01/Mar/2026:12:00:00 +0000] "GET /openai/me 1.1" 401 Unauthorized',
        '{"level": "info", "message": "10.0.1.7 - \\"POST /openai/login HTTP/2\\" 401 Unauthorized"}',
        "connection to server at 10.0.0.5 failed: Connection refused",
        "ERROR: request took 535 ms",
        "Traceback (most recent call last)",
    ],
)
def test_words_that_accuse_no_key(line: str) -> None:
    """A user's own wrong password, or any other trouble, is no fault of a value."""
    assert root_causes(changed(line)(healthy())) == ["rollout-stuck worker"]


def test_a_value_that_was_revoked() -> None:
    """Where the value is the same as before, it is the provider's side that changed."""
    [found] = run_check(CHECKS["store-only"], saying(unchanged(healthy()), "Error code: 401 invalid_api_key"))
    assert found.subject == "OPENAI_API_KEY"
    assert "the provider revoked the key" in " ".join(found.evidence)
    assert found.remedy.parameters["keys"] == "OPENAI_API_KEY"


@pytest.mark.parametrize(
    "line",
    [
        "connection failed: fe_sendauth: no password supplied",
        "The server requested SCRAM-based authentication, but no password was provided.",
        "Error: SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string",
    ],
)
def test_a_password_that_the_driver_did_not_get_was_not_refused(line: str) -> None:
    """Neither side has another value, and a rotation would change nothing; an empty one explains it."""
    [found] = run_check(CHECKS["store-only"], saying(unchanged(healthy()), line))
    assert found.subject == "POSTGRES_PASSWORD" and "gave the database no password" in found.evidence[-1]
    assert not found.remedy.runbook and "Let the application read" in found.remedy.command
    empty = rotated(healthy(), NOW - timedelta(minutes=30), POSTGRES_PASSWORD="")
    assert root_causes(saying(empty, line)) == ["empty POSTGRES_PASSWORD"]


@pytest.mark.parametrize(
    "line",
    [
        "stripe._error.AuthenticationError: No API key provided. (HINT: set your API key)",
        "stripe: Error code: 401 - You didn't provide an API key.",
    ],
)
def test_an_api_key_that_the_provider_did_not_get_was_not_refused(line: str) -> None:
    """The task has it, so what is to be corrected is the application."""
    entry = Injection("STRIPE_API_KEY", parse(f"{ARN}:STRIPE_API_KEY::"))
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(*old.secrets, entry)))
    with_failures = changed(line, "STRIPE_API_KEY", "backend")(snapshot)
    [found] = [each for each in run_check(CHECKS["store-only"], with_failures) if each.status == "found"]
    assert found.evidence[-1].endswith("gave the provider no API key: the value itself was not refused.")


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("ENCRYPTION_KEY", "cryptography.fernet.InvalidToken"),
        ("DB_ENCRYPTION_KEY", "cryptography.exceptions.InvalidTag"),
        ("FIELD_ENCRYPTION_KEY", "Error: error:1C800064:Provider routines::bad decrypt"),
        ("FIELD_ENCRYPTION_KEY", "ActiveSupport::MessageEncryptor::InvalidMessage (ActiveSupport::MessageEncryptor)"),
    ],
)
def test_data_that_the_former_key_encrypted(key: str, line: str) -> None:
    """Where data cannot be decrypted the key that encrypts it is meant, and no provider gets to know its new value."""
    entries = tuple(Injection(name, parse(f"{ARN}:{name}::")) for name in (key, "DISCORD_TOKEN"))
    made = with_container(healthy(), "worker", lambda old: replace(old, secrets=(*old.secrets, *entries)))
    said = changed(line, key)(with_keys(made, DISCORD_TOKEN=secrets.token_hex(16), **{key: secrets.token_hex(16)}))
    assert root_causes(said) == [f"store-only {key}"]
    [found] = run_check(CHECKS["store-only"], said)
    assert found.evidence[-1].endswith("the secret was changed, but data is encrypted with the former value.")
    assert found.remedy.command.startswith(f"Let {key} have the former value after the new one")


def test_a_key_that_has_not_changed_is_not_accused_of_what_cannot_be_decrypted() -> None:
    """It may be a user's token: a new value would make all data unreadable."""
    entry = Injection("ENCRYPTION_KEY", parse(f"{ARN}:ENCRYPTION_KEY::"))
    made = with_container(healthy(), "worker", lambda old: replace(old, secrets=(*old.secrets, entry)))
    kept = unchanged(with_keys(made, ENCRYPTION_KEY=secrets.token_hex(16)))
    for version in (kept, replace(kept, contents={CURRENT: kept.contents[CURRENT]})):
        said = saying(version, "cryptography.fernet.InvalidToken", "worker")
        [unknown] = run_check(CHECKS["store-only"], said)
        assert (unknown.status, unknown.subject) == ("unknown", "ENCRYPTION_KEY")
        assert "store-only" in {cause for finding in diagnose(said) for cause in finding.unread_causes}


def test_a_refused_password_in_a_line_with_data_that_cannot_be_decrypted() -> None:
    """A line of JSON may have the tracebacks of both: the key that has changed is meant."""
    entry = Injection("ENCRYPTION_KEY", parse(f"{ARN}:ENCRYPTION_KEY::"))
    made = with_container(healthy(), "worker", lambda old: replace(old, secrets=(*old.secrets, entry)))
    kept = unchanged(with_keys(made, ENCRYPTION_KEY=secrets.token_hex(16)))
    line = f"cryptography.fernet.InvalidToken: {REFUSED}"
    assert root_causes(changed(line)(kept)) == ["store-only POSTGRES_PASSWORD"]
    assert {finding.status for finding in run_check(CHECKS["store-only"], saying(kept, line))} == {"found", "unknown"}


@pytest.mark.parametrize(
    "line",
    [
        "discord answered: invalid token",
        "    raise InvalidToken(message)",
        "telegram.error.InvalidToken: Unauthorized",
        "rest_framework_simplejwt.exceptions.InvalidToken: Token is invalid or expired",
    ],
)
def test_a_token_that_is_no_data_accuses_no_key_that_encrypts(line: str) -> None:
    """A provider that refuses a token says so in other words than a library that cannot decrypt."""
    entry = Injection("ENCRYPTION_KEY", parse(f"{ARN}:ENCRYPTION_KEY::"))
    made = with_container(healthy(), "worker", lambda old: replace(old, secrets=(*old.secrets, entry)))
    said = changed(line, "ENCRYPTION_KEY")(made)
    assert not any(each.status == "found" for each in run_check(CHECKS["store-only"], said))


@pytest.mark.parametrize(
    ("key", "line", "way", "runbook"),
    [
        ("POSTGRES_PASSWORD", REFUSED, "In psql, \\password with the secret's value", "rotate"),
        ("OPENAI_API_KEY", "Error code: 401 invalid_api_key", "Give the provider the new value", "update"),
    ],
)
def test_a_value_is_put_right_where_it_is_used(key: str, line: str, way: str, runbook: str) -> None:
    """A new value is given to the other side, or taken back; one that the other side has changed is renewed."""
    [found] = run_check(CHECKS["store-only"], changed(line, key)(healthy()))
    assert found.remedy.command.startswith(f"{way}; or go back with `aws secretsmanager update-secret-version-stage ")
    [found] = run_check(CHECKS["store-only"], saying(unchanged(healthy()), line))
    assert (found.remedy.runbook, found.remedy.parameters["keys"]) == (runbook, key)


def test_a_password_whose_login_changed_was_changed_with_it() -> None:
    """A key is the same only where the user that it belongs to is."""
    snapshot = rotated(healthy(), NOW - timedelta(minutes=30), SMTP_USER="other@ohmycoins.test")
    [found] = run_check(CHECKS["store-only"], saying(snapshot, "SMTPAuthenticationError: (535, b'denied')", "backend"))
    assert found.subject == "SMTP_PASSWORD" and "differs between AWSPREVIOUS" in " ".join(found.evidence)


def test_without_a_former_version_nothing_is_said_of_a_change() -> None:
    """What cannot be compared is called unknown."""
    [found] = run_check(CHECKS["store-only"], saying(healthy(), REFUSED))
    assert "It is unknown whether" in " ".join(found.evidence)


def test_the_author_of_the_change_is_named() -> None:
    """CloudTrail tells who wrote the value that is refused."""
    snapshot = changed()(healthy())
    assert snapshot.secret
    wrote = event("PutSecretValue", NOW - timedelta(minutes=30), snapshot.secret.version_at("AWSCURRENT"))
    [found] = run_check(CHECKS["store-only"], replace(snapshot, writes=(wrote,)))
    assert f"PutSecretValue by {wrote.principal}" in " ".join(found.evidence)


def test_a_placeholder_is_refused_because_it_is_one() -> None:
    """A placeholder explains the refusal."""
    snapshot = rotated(healthy(), NOW - timedelta(minutes=30), POSTGRES_PASSWORD="temporary-password-please-update")
    assert root_causes(saying(snapshot, REFUSED)) == ["placeholder POSTGRES_PASSWORD"]


def test_no_other_service_is_to_be_redeployed_for_a_refused_value() -> None:
    """What the worker's new tasks were refused with, backend's would be too."""
    snapshot = changed()(healthy())
    former = [replace(task, started=DEPLOYED) if task.service == "backend" else task for task in snapshot.tasks]
    snapshot = replace(snapshot, tasks=tuple(replace(task, created=task.started or task.created) for task in former))
    [backend] = [each for each in diagnose(snapshot) if each.check == "not-forced"]
    assert (backend.subject, backend.because_of) == ("backend", ("store-only",))


def test_a_pinned_version_is_not_the_value_that_is_refused() -> None:
    """A task that was given an older version by its reference says nothing of the current one."""
    pinned = parse(f"{ARN}:POSTGRES_PASSWORD::{CURRENT}")
    snapshot = with_container(
        healthy(),
        "worker",
        lambda old: replace(
            old, secrets=tuple(Injection(e.variable, pinned) if "POSTGRES" in e.variable else e for e in old.secrets)
        ),
    )
    assert not any(cause.startswith("store-only") for cause in root_causes(changed()(snapshot)))


def test_a_health_check_that_fails_for_it() -> None:
    """A task that stays up without its database is unhealthy because of the value."""
    snapshot = rotated(healthy(), NOW - timedelta(minutes=30), POSTGRES_PASSWORD=secrets.token_hex(16))
    with_failures = stuck(deployed(snapshot), "worker", "Task failed container health checks", started=NOW)
    with_log = replace(
        with_failures, log_lines={task.id: (f"The log of worker says: {REFUSED}",) for task in with_failures.tasks}
    )
    assert root_causes(with_log) == ["store-only POSTGRES_PASSWORD"]


@pytest.mark.parametrize(
    ("url", "has_password"),
    [("postgresql://app@db/app", False), ("postgresql://app:s3cr3tpass@db/app", True), ("//db?password=s3cr3t", True)],
)
def test_a_url_that_has_no_password_is_to_be_updated(url: str, has_password: bool) -> None:
    """The application read it, and had no password to give."""
    entry = Injection("DATABASE_URL", parse(f"{ARN}:DATABASE_URL::"))
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, secrets=(entry,)))
    snapshot = with_values(snapshot, {**document(snapshot), "DATABASE_URL": url}, CURRENT)
    with_failures = saying(unchanged(snapshot), "fe_sendauth: no password supplied", "backend")
    [found] = [each for each in run_check(CHECKS["store-only"], with_failures) if each.status == "found"]
    assert (found.subject, found.remedy.runbook) == ("DATABASE_URL", "" if has_password else "update")
    assert ("has no password" in found.evidence[-1]) is not has_password
