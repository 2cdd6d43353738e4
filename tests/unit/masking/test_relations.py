"""How values fit together: exchanged ones and addresses of another password, and healthy documents that look odd."""

import json
import secrets
from typing import Any
from urllib.parse import quote

import pytest

from omc_runbook.masking.addresses import problem_of, scheme_and_user, with_password
from omc_runbook.masking.document import Document, parse
from omc_runbook.masking.relations import (
    AddressMismatch,
    find_exchanges,
    find_mismatches,
    is_database_address,
    passwords_of,
)
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import default_keys

ALPHANUMERIC = secrets.token_hex(12)
# A key that follows a prefix does not begin with a sign.
PASSWORD, OTHER = (f"a{secrets.token_urlsafe(24)}" for _ in range(2))
API_KEY, SIGNING = f"sk-{secrets.token_hex(16)}", secrets.token_hex(32)
MAIL = "admin@ohmycoins.com"
PEM = f"-----BEGIN {{0}} KEY-----\n{SIGNING}\n-----END {{0}} KEY-----\n"


def document(**members: Any) -> Document:
    """A document with these members."""
    return parse(Masked(json.dumps(members), "the secret"))


def postgres(password: str, user: str = "app", host: str = "db") -> str:
    """The address of a database."""
    return f"postgresql+psycopg://{user}:{quote(password, safe='')}@{host}:5432/app"


@pytest.mark.parametrize(
    ("members", "pair"),
    [
        (
            {"FIRST_SUPERUSER": PASSWORD, "FIRST_SUPERUSER_PASSWORD": MAIL},
            {"FIRST_SUPERUSER", "FIRST_SUPERUSER_PASSWORD"},
        ),
        ({"OPENAI_API_KEY": SIGNING, "SECRET_KEY": API_KEY}, {"OPENAI_API_KEY", "SECRET_KEY"}),
        ({"OPENAI_API_KEY": PASSWORD, "SMTP_PASSWORD": API_KEY}, {"OPENAI_API_KEY", "SMTP_PASSWORD"}),
        ({"FIRST_SUPERUSER": API_KEY, "OPENAI_API_KEY": MAIL}, {"FIRST_SUPERUSER", "OPENAI_API_KEY"}),
        ({"SMTP_USER": PASSWORD, "SMTP_PASSWORD": MAIL}, {"SMTP_USER", "SMTP_PASSWORD"}),
        (
            {"OPENAI_API_KEY": f"sk-ant-api03-{PASSWORD}", "ANTHROPIC_API_KEY": f"sk-proj-{OTHER}"},
            {"OPENAI_API_KEY", "ANTHROPIC_API_KEY"},
        ),
        (
            {"OPENAI_API_KEY": f"sk-ant-api03-{PASSWORD}", "ANTHROPIC_API_KEY": API_KEY},
            {"OPENAI_API_KEY", "ANTHROPIC_API_KEY"},
        ),
        (
            {"STRIPE_SECRET_KEY": f"pk_live_{ALPHANUMERIC}", "STRIPE_PUBLISHABLE_KEY": f"sk_live_{ALPHANUMERIC}"},
            {"STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY"},
        ),
        (
            {
                "AWS_ACCESS_KEY_ID": f"aB3/{PASSWORD}_{OTHER}".replace("-", "+").replace("_", "/")[:40],
                "AWS_SECRET_ACCESS_KEY": f"AKIA{'A2B3' * 4}",
            },
            {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
        ),
        (
            {"JWT_PRIVATE_KEY": PEM.format("PUBLIC"), "JWT_PUBLIC_KEY": PEM.format("PRIVATE")},
            {"JWT_PRIVATE_KEY", "JWT_PUBLIC_KEY"},
        ),
    ],
)
def test_exchanged_values_are_told_by_their_forms(members: dict[str, str], pair: set[str]) -> None:
    """Each has the form of the other and lacks its own."""
    [found] = find_exchanges(document(**members), default_keys())
    assert set(found) == pair


def test_exchanged_values_without_a_form_are_told_by_the_former_version() -> None:
    """Two random texts have changed places."""
    before, after = (
        document(SECRET_KEY=PASSWORD, SMTP_PASSWORD=OTHER),
        document(SECRET_KEY=OTHER, SMTP_PASSWORD=PASSWORD),
    )
    assert find_exchanges(after, default_keys()) == ()
    assert find_exchanges(after, default_keys(), before) == (("SECRET_KEY", "SMTP_PASSWORD"),)


def test_three_values_that_moved_on_in_a_circle_are_told_by_the_former_version() -> None:
    """Also where two of them have each other's form; a key that moved along with none is no part of it."""
    before = document(
        SECRET_KEY=PASSWORD, SMTP_PASSWORD=OTHER, SENTRY_TOKEN=ALPHANUMERIC, COPY=SIGNING, NEWS_TOKEN=MAIL
    )
    after = document(
        SECRET_KEY=OTHER, SMTP_PASSWORD=ALPHANUMERIC, SENTRY_TOKEN=PASSWORD, COPY=MAIL, NEWS_TOKEN=SIGNING[:40]
    )
    circle = ("SECRET_KEY", "SMTP_PASSWORD", "SENTRY_TOKEN")
    assert find_exchanges(after, default_keys(), before) == (circle,)
    assert find_exchanges(before, default_keys(), after) == (("SECRET_KEY", "SENTRY_TOKEN", "SMTP_PASSWORD"),)
    forms = document(OPENAI_API_KEY=API_KEY, FIRST_SUPERUSER=MAIL, SECRET_KEY=SIGNING)
    moved = document(OPENAI_API_KEY=MAIL, FIRST_SUPERUSER=SIGNING, SECRET_KEY=API_KEY)
    assert find_exchanges(moved, default_keys(), forms) == (("OPENAI_API_KEY", "FIRST_SUPERUSER", "SECRET_KEY"),)
    assert find_exchanges(forms, default_keys(), moved) == ()
    before = document(API_TOKEN=SIGNING, SECRET_KEY=PASSWORD, SMTP_PASSWORD=OTHER)
    after = document(API_TOKEN=PASSWORD, SECRET_KEY=OTHER, SMTP_PASSWORD=PASSWORD)
    assert find_exchanges(after, default_keys(), before) == (("SECRET_KEY", "SMTP_PASSWORD"),)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            {"SECRET_KEY": PASSWORD, "SECRET_KEY_FALLBACK": OTHER},
            {"SECRET_KEY": OTHER, "SECRET_KEY_FALLBACK": PASSWORD},
        ),
        ({"OLD_JWT_KEY": PASSWORD, "JWT_KEY": OTHER}, {"OLD_JWT_KEY": OTHER, "JWT_KEY": PASSWORD}),
        (
            {"PRIMARY_STORAGE_KEY": PASSWORD, "SECONDARY_STORAGE_KEY": OTHER},
            {"PRIMARY_STORAGE_KEY": OTHER, "SECONDARY_STORAGE_KEY": PASSWORD},
        ),
        ({"API_KEY_BLUE": PASSWORD, "API_KEY_GREEN": OTHER}, {"API_KEY_BLUE": OTHER, "API_KEY_GREEN": PASSWORD}),
        ({"API_KEY": PASSWORD, "API_KEY_BACKUP": OTHER}, {"API_KEY": OTHER, "API_KEY_BACKUP": PASSWORD}),
        ({"ACTIVE_TOKEN": PASSWORD, "STANDBY_TOKEN": OTHER}, {"ACTIVE_TOKEN": OTHER, "STANDBY_TOKEN": PASSWORD}),
        ({"FEATURE_A": "true", "FEATURE_B": "false"}, {"FEATURE_A": "false", "FEATURE_B": "true"}),
        ({"REGION": "eu-west-1", "BACKUP_REGION": "us-east-1"}, {"REGION": "us-east-1", "BACKUP_REGION": "eu-west-1"}),
        (
            {"A_TOKEN": PASSWORD, "B_TOKEN": PASSWORD, "C_TOKEN": OTHER},
            {"A_TOKEN": OTHER, "B_TOKEN": PASSWORD, "C_TOKEN": PASSWORD},
        ),
    ],
)
def test_values_that_changed_places_on_purpose_are_not_exchanged(before: dict[str, str], after: dict[str, str]) -> None:
    """A rotation taken back or by turns, flags, a provider and its fallback, and a value that several had."""
    assert find_exchanges(document(**after), default_keys(), document(**before)) == ()


def test_values_that_were_put_right_are_not_exchanged() -> None:
    """A login and its password stood in each other's place in the former version, by their forms."""
    right = document(FIRST_SUPERUSER=MAIL, FIRST_SUPERUSER_PASSWORD=PASSWORD)
    wrong = document(FIRST_SUPERUSER=PASSWORD, FIRST_SUPERUSER_PASSWORD=MAIL)
    assert find_exchanges(right, default_keys(), wrong) == ()
    assert find_exchanges(wrong, default_keys(), right) == (("FIRST_SUPERUSER", "FIRST_SUPERUSER_PASSWORD"),)


@pytest.mark.parametrize(
    "members",
    [
        {
            "FIRST_SUPERUSER": MAIL,
            "FIRST_SUPERUSER_PASSWORD": PASSWORD,
            "OPENAI_API_KEY": API_KEY,
            "SECRET_KEY": SIGNING,
        },
        {"SMTP_USER": "apikey", "SMTP_PASSWORD": PASSWORD},
        {"SMTP_USER": MAIL, "FIRST_SUPERUSER": MAIL},
        {"OPENAI_API_KEY": SIGNING, "ANTHROPIC_API_KEY": f"sk-ant-{PASSWORD}"},
        {"FIRST_SUPERUSER": "no address", "SMTP_PASSWORD": PASSWORD},
        {"OPENAI_API_KEY": f"sk-ant-{PASSWORD}", "ANTHROPIC_API_KEY": f"sk-ant-{OTHER}"},
        {"STRIPE_SECRET_KEY": f"pk_live_{PASSWORD}", "STRIPE_PUBLISHABLE_KEY": f"pk_live_{OTHER}"},
        {"DB_PASSWORD": PASSWORD, "POSTGRES_PASSWORD": PASSWORD},
    ],
)
def test_values_in_their_places_are_not_exchanged(members: dict[str, str]) -> None:
    """One malformed value is no exchange, and neither are two that look alike."""
    assert find_exchanges(document(**members), default_keys(), document(**members)) == ()


@pytest.mark.parametrize(
    ("members", "plain", "mismatch"),
    [
        (
            {"POSTGRES_PASSWORD": PASSWORD, "DATABASE_URL": postgres(OTHER)},
            {},
            AddressMismatch("DATABASE_URL", "POSTGRES_PASSWORD", False),
        ),
        *(
            (
                {"POSTGRES_PASSWORD": text, "DATABASE_URL": postgres(OTHER)},
                {},
                AddressMismatch("DATABASE_URL", "POSTGRES_PASSWORD", False),
            )
            for text in ("hunter22", f"p/@:#{PASSWORD}")
        ),
        (
            {"POSTGRES_PASSWORD": PASSWORD, "DATABASE_URL": postgres(OTHER)},
            {"POSTGRES_USER": "app", "POSTGRES_SERVER": "db"},
            AddressMismatch("DATABASE_URL", "POSTGRES_PASSWORD", True),
        ),
        (
            {"POSTGRES_PASSWORD": PASSWORD, "DATABASE_URL": postgres(OTHER, host="[fd00::1]")},
            {"POSTGRES_SERVER": "fd00::1"},
            AddressMismatch("DATABASE_URL", "POSTGRES_PASSWORD", False),
        ),
        (
            {"DB_USER": "app", "DB_PASSWORD": PASSWORD, "SQLALCHEMY_DATABASE_URI": postgres(OTHER)},
            {},
            AddressMismatch("SQLALCHEMY_DATABASE_URI", "DB_PASSWORD", True),
        ),
        (
            {"REDIS_PASSWORD": PASSWORD, "REDIS_URL": f"redis://:{OTHER}@cache:6379"},
            {},
            AddressMismatch("REDIS_URL", "REDIS_PASSWORD", False),
        ),
        (
            {
                "RABBITMQ_USER": "omc",
                "RABBITMQ_PASSWORD": PASSWORD,
                "CELERY_BROKER_URL": f"amqps://omc:{OTHER}@mq:5671/%2F",
            },
            {},
            AddressMismatch("CELERY_BROKER_URL", "RABBITMQ_PASSWORD", True),
        ),
        (
            {"REDIS_PASSWORD": PASSWORD, "CACHE_URL": f"rediss://:{OTHER}@cache:6379"},
            {},
            AddressMismatch("CACHE_URL", "REDIS_PASSWORD", False),
        ),
        (
            {"SMTP_USER": MAIL, "SMTP_PASSWORD": PASSWORD, "EMAIL_URL": f"smtp://{quote(MAIL)}:{OTHER}@smtp:587"},
            {},
            AddressMismatch("EMAIL_URL", "SMTP_PASSWORD", True),
        ),
        (
            {"POSTGRES_PASSWORD": PASSWORD, "DATABASE_URL": f"jdbc:postgresql://db/app?user=app&password={OTHER}"},
            {"POSTGRES_USER": "app"},
            AddressMismatch("DATABASE_URL", "POSTGRES_PASSWORD", True),
        ),
        (
            {"DB_PASSWORD": PASSWORD, "DATABASE_URL": f"mysql://app@db/app?ssl=true&password={OTHER}"},
            {"DB_USER": "app"},
            AddressMismatch("DATABASE_URL", "DB_PASSWORD", True),
        ),
    ],
)
def test_an_address_with_another_password_is_found(
    members: dict[str, str], plain: dict[str, str], mismatch: AddressMismatch
) -> None:
    """The key of the same name, or the only one of the database, has another value."""
    assert find_mismatches(document(**members), default_keys(), plain) == (mismatch,)


@pytest.mark.parametrize(
    ("password", "address", "scheme"),
    [
        ("PGPASSWORD", "DATABASE_DSN", "postgresql"),
        ("POSTGRESQL_PASSWORD", "SQLALCHEMY_URL", "postgresql+asyncpg"),
        ("MYSQL_PWD", "ASYNC_DATABASE_URL", "mysql+aiomysql"),
        ("MARIADB_PASS", "SYNC_DATABASE_URL", "mariadb"),
        ("SQL_PASSWORD", "APP_DATABASE_CONNECTION", "mssql"),
        ("RDS_PASSWD", "APP_DB_CONN_STR", "postgres"),
        ("PASSWORD", "DB_ADDRESS", "postgres"),
        ("DB_PASSWORD", "URL", "oracle+oracledb"),
        ("SQL_PASSWORD", "DATABASE_URL", "cockroachdb"),
        ("RABBIT_PASSWORD", "BROKER_URL", "amqp"),
        ("RABBITMQ_PASSWORD", "CELERY_BROKER", "amqp"),
        ("AMQP_PASSWORD", "MESSAGE_BROKER_URL", "amqps"),
        ("CLOUDAMQP_PASSWORD", "CELERY_URL", "amqps"),
        ("MQ_PASSWORD", "QUEUE_URL", "amqp"),
        ("PASSWORD", "TASK_QUEUE_URL", "amqp"),
        ("VALKEY_PASSWORD", "CACHE_URL", "valkeys"),
        ("ELASTICACHE_PASSWORD", "REDIS_URL", "rediss"),
        ("MONGO_PASSWORD", "MONGODB_URI", "mongodb+srv"),
        ("DB_PASSWORD", "DATABASE_URL", "mongodb"),
        ("PASSWORD", "MONGO_URL", "mongodb"),
        ("EMAIL_HOST_PASSWORD", "MAIL_URL", "smtps"),
        ("PASSWORD", "MAILER_DSN", "smtp"),
    ],
)
def test_the_password_of_a_store_is_told_by_its_name(password: str, address: str, scheme: str) -> None:
    """As images, frameworks and providers name both."""
    members = {password: PASSWORD, address: f"{scheme}://app:{OTHER}@store"}
    assert find_mismatches(document(**members), default_keys(), {}) == (AddressMismatch(address, password, False),)


@pytest.mark.parametrize(
    ("members", "plain"),
    [
        ({"POSTGRES_PASSWORD": "p/@:#?% +" + OTHER, "DATABASE_URL": postgres("p/@:#?% +" + OTHER)}, {}),
        ({"POSTGRES_PASSWORD": quote("p/@ +" + OTHER, safe=""), "DATABASE_URL": postgres("p/@ +" + OTHER)}, {}),
        ({"POSTGRES_PASSWORD": PASSWORD, "DATABASE_URL": postgres(OTHER, "reader")}, {"POSTGRES_USER": "app"}),
        ({"POSTGRES_PASSWORD": PASSWORD, "DATABASE_URL": postgres(OTHER, host="b")}, {"POSTGRES_SERVER": "a"}),
        ({"POSTGRES_PASSWORD": PASSWORD, "READONLY_DATABASE_URL": postgres(OTHER)}, {}),
        ({"POSTGRES_PASSWORD": PASSWORD, "ANALYTICS_URL": postgres(OTHER)}, {}),
        ({"POSTGRES_PASSWORD": PASSWORD, "DATABASE_URL": "postgresql://app@db/app"}, {}),
        ({"POSTGRES_PASSWORD": "p/@" + OTHER, "DATABASE_URL": f"postgresql://db/app?password=p%2F%40{OTHER}"}, {}),
        ({"POSTGRES_PASSWORD": PASSWORD, "DATABASE_URL": f"postgresql://db/a?password=a+{OTHER}"}, {}),
        ({"POSTGRES_PASSWORD": PASSWORD, "DATABASE_URL": "postgresql://db/a?password=${DB_PASSWORD}"}, {}),
        (
            {"POSTGRES_PASSWORD": PASSWORD, "DATABASE_URL": f"jdbc:mariadb://db/a?user=reader&password={OTHER}"},
            {"POSTGRES_USER": "app"},
        ),
        ({"POSTGRES_PASSWORD": PASSWORD, "REDIS_URL": f"redis://:{OTHER}@cache:6379"}, {}),
        ({"POSTGRES_PASSWORD": PASSWORD, "DB_PASSWORD": OTHER, "DATABASE_URL": postgres(secrets.token_hex(8))}, {}),
        ({"POSTGRES_PASSWORD": "changethis", "DATABASE_URL": postgres(OTHER)}, {}),
        ({"RABBITMQ_PASSWORD": PASSWORD, "CELERY_BROKER_URL": f"redis://:{OTHER}@cache:6379/1"}, {}),
        ({"RABBITMQ_USER": "omc", "RABBITMQ_PASSWORD": PASSWORD, "BROKER_URL": f"amqp://guest:{OTHER}@mq"}, {}),
        ({"RABBITMQ_PASSWORD": PASSWORD, "PARTNER_AMQP_URL": f"amqp://omc:{OTHER}@mq.partner.example"}, {}),
        ({"REDIS_PASSWORD": PASSWORD, "DATABASE_URL": postgres(OTHER)}, {}),
        ({"DB_PASSWORD": PASSWORD, "MONGODB_URI": f"mongodb+srv://app:{OTHER}@cluster0.mongodb.net"}, {}),
        ({"BROKER_PASSWORD": PASSWORD, "REDIS_URL": f"rediss://:{OTHER}@cache:6379"}, {}),
        ({"SMTP_PASSWORD": PASSWORD, "SENTRY_DSN": f"https://{OTHER}@o1.ingest.sentry.io/4"}, {}),
        ({"POSTGRES_PASSWORD": PASSWORD, "DATABASE_URL": 5}, {}),
    ],
)
def test_an_address_of_another_login_or_none_is_right(members: dict[str, Any], plain: dict[str, str]) -> None:
    """Escaped passwords, other roles, other servers, and passwords of several databases."""
    assert find_mismatches(document(**members), default_keys(), plain) == ()


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("DATABASE_URL", True), ("database_url", True), ("POSTGRES", False), ("REDIS_URL", False)],
)
def test_the_name_of_the_databases_address(name: str, is_one: bool) -> None:
    """In any case of letters; a user, a server or another store's address does not count."""
    assert is_database_address(name) == is_one


@pytest.mark.parametrize("variable", ["$DB_PASSWORD", "%(DB_PASSWORD)s", "%DB_PASSWORD%", "${DB_PASSWORD}"])
def test_a_variable_in_an_address_is_no_password(variable: str) -> None:
    """The application may fill it in where it stands in the query; before the @ it is a placeholder."""
    address = f"postgresql://db/app?user=app&password={variable}"
    members = {"POSTGRES_PASSWORD": PASSWORD, "DATABASE_URL": address}
    assert find_mismatches(document(**members), default_keys(), {"POSTGRES_USER": "app"}) == ()
    assert problem_of(Masked(address, "DATABASE_URL"), "DATABASE_URL", None) is None
    problem = problem_of(Masked(f"postgresql://app:{variable}@db/app", "DATABASE_URL"), "DATABASE_URL", None)
    assert problem and problem.check == "placeholder"
    assert problem_of(Masked("postgresql://app:pa$WORD9@db/app", "DATABASE_URL"), "DATABASE_URL", None) is None


@pytest.mark.parametrize(
    ("name", "address", "scheme", "is_its"),
    [
        ("POSTGRES_PASSWORD", "DATABASE_URL", "postgresql+asyncpg", True),
        ("DB_PASS", "SQLALCHEMY_DATABASE_URI", "mysql+pymysql", True),
        ("LEDGER_DB_PASSWORD", "LEDGER_DATABASE_URL", "postgresql", True),
        ("ANALYTICS_PASSWORD", "ANALYTICS_URL", "postgresql", True),
        ("REDIS_PASSWORD", "CELERY_BROKER_URL", "redis", True),
        ("REDIS_PASSWORD", "DATABASE_URL", "postgresql", False),
        ("POSTGRES_PASSWORD", "BROKER_URL", "amqp", False),
        ("POSTGRES_USER", "DATABASE_URL", "postgresql", False),
        ("SITE_PASSWORD", "SITE_URL", "https", False),
    ],
)
def test_whose_password_an_address_has(name: str, address: str, scheme: str, is_its: bool) -> None:
    """By what both names begin with, apart from a prefix of Settings, and by the scheme."""
    assert (passwords_of(address, scheme, [name]) == (name,)) is is_its


def test_the_password_that_begins_as_the_address_comes_before_those_of_the_main_database() -> None:
    """Each of two databases has its own."""
    names = ["POSTGRES_PASSWORD", "ANALYTICS_PASSWORD", "ANALYTICS_USER"]
    assert passwords_of("ANALYTICS_URL", "postgresql", names) == ("ANALYTICS_PASSWORD",)
    assert passwords_of("DATABASE_URL", "postgresql", names) == ("POSTGRES_PASSWORD",)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("postgresql://db/app?user=app&password=former", "postgresql://db/app?user=app&password=a%2Fb"),
        ("jdbc:postgresql://db/app?password=former&user=app#x", "jdbc:postgresql://db/app?password=a%2Fb&user=app#x"),
        ("amqp://a:former@one//;amqp://a:former@two//", "amqp://a:a%2Fb@one//;amqp://a:a%2Fb@two//"),
        ("amqp://a:former@one, amqp://b:other@two", "amqp://a:a%2Fb@one, amqp://b:other@two"),
        ("amqp://a:former@one, amqp://b:former@two", "amqp://a:a%2Fb@one, amqp://b:former@two"),
        ("postgresql://app:other@db/app?password=former", "postgresql://app:other@db/app?password=former"),
        ("postgresql://db/app?oldpassword=former", "postgresql://db/app?oldpassword=former"),
        ("https://site/?user=a&password=former", "https://site/?user=a&password=former"),
        ("postgresql://app@db/app", "postgresql://app@db/app"),
    ],
)
def test_a_password_is_replaced_wherever_an_address_has_it(text: str, after: str) -> None:
    """In its query, and in each of a list; not another one, nor that of another user."""
    assert with_password(text, "former", "a/b") == after


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("PostgreSQL://db/app?user=a%40b&password=x", ("postgresql", "a@b")),
        ("postgresql://app@db/app?password=x", ("postgresql", "app")),
        ("postgresql://db/app", ("", "")),
        ("https://site/?user=app&password=x", ("", "")),
    ],
)
def test_the_user_of_an_address(text: str, login: tuple[str, str]) -> None:
    """Its query may have it."""
    assert scheme_and_user(text) == login
