"""How databases and providers refuse a password or an API key, and which keys are theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from omc_runbook.messages.paste import plain


@dataclass(frozen=True)
class LoginRefusal:
    """One kind of system's refusals; `hints` are words that tell whose refusal it is, and are none by themselves."""

    keys: str
    """A pattern of its keys' names."""
    wordings: tuple[str, ...]
    hints: tuple[str, ...] = ()
    scheme: str = ""
    """A pattern of the schemes of its URLs, "" where it is not reached by one with a password."""


_NO_POSTGRES_PASSWORD = (
    *("no password supplied", "authentication, but no password was provided"),
    "client password must be a string",
)
"""The words of PostgreSQL's drivers where the application gave them none."""
_NO_PASSWORD = (*_NO_POSTGRES_PASSWORD, "(using password: NO)")
"""The same, and MySQL's."""
_NO_REDIS_PASSWORD = (
    *("NOAUTH Authentication required", "NOAUTH: Authentication required", "NOAUTH HELLO must be called"),
    "redis.exceptions.AuthenticationError: Authentication required",
)
"""Redis' words for a client that gave none, and redis-py's."""
_DB = "((?<![A-Z])DB|DB[^A-Z]|(?-i:Db(?=[A-Z])|DB(?=[A-Z][a-z])))"
"""DB at the beginning or the end of a name's part, as in app-db-url and appDbUrl, and not as in FEEDBACK_URL."""
_POSTGRES = (
    *("password authentication failed", "InvalidPasswordError", "28P01", "FATAL: SASL authentication failed"),
    "password that was provided for the role",
    # Its own translations.
    *("Passwort-Authentifizierung f* fehlgeschlagen", "authentification par mot de passe *chou*e"),
    *("password fall* para el usuario", "autenticazione con password fallita", "do tipo senha falhou"),
)
_MYSQL, _SQL_SERVER = ("Access denied for user",), ("login failed for user",)
_NO_API_KEY = ("no API key provided", "didn't provide an API key")
_LACKS: dict[str, tuple[str, ...]] = {
    "the database no password": _NO_PASSWORD,
    "Redis no password": _NO_REDIS_PASSWORD,
    "the provider no API key": _NO_API_KEY,
}
DATABASE = LoginRefusal(
    rf"\A(?!.*(MONGO|PGADMIN)).*(POSTGRES|(?<![A-Z])(PG|RDS)|{_DB}|DATABASE|SQL).*(PASS|PWD|URL|URI|DSN)",
    (*(*_POSTGRES, *_MYSQL, *_SQL_SERVER, "database credentials for * are not valid"), *_NO_PASSWORD),
    scheme="postgres|postgresql|mysql|mariadb|mssql",
)
MONGO = LoginRefusal(
    rf"\A(?!.*(POSTGRES|PG|SQL)).*(MONGO|{_DB}|DATABASE).*(PASS|PWD|URL|URI|DSN)",
    (
        *("bad auth : authentication failed", "MongoServerError: Authentication failed"),
        "OperationFailure: Authentication failed",
    ),
    scheme="mongodb",
)
BROKER = LoginRefusal("(RABBIT|AMQP|BROKER|MQ_|CELERY).*(PASS|PWD|URL|URI)", ("ACCESS_REFUSED",), scheme="amqps?")
SLACK = LoginRefusal(
    "SLACK",
    # Without "ok" they may be what the application answers to its own users.
    ("'invalid_auth'", *(f"ok * false * '{each}'" for each in ("token_revoked", "token_expired", "account_inactive"))),
)
REDIS = LoginRefusal(
    "REDIS",
    (
        *("redis.exceptions.AuthenticationError", "WRONGPASS invalid", *_NO_REDIS_PASSWORD),
        *("username-password pair", "ERR invalid password", "without any password configured"),
    ),
    scheme="rediss?",
)
MAIL = LoginRefusal(
    "(MAIL|SMTP).*(PASS|PWD|KEY|TOKEN)",
    (
        *("SMTPAuthenticationError", "535 5.7", "535-5.7", "(535, b'", "Username and Password not accepted"),
        *("535 Authentication", "535 Incorrect"),
    ),
    ("smtp",),
)
SENTRY = LoginRefusal(
    "SENTRY", ("BadDsn", "bad * dsn", "invalid * dsn", "unsupported * dsn", "malformed * dsn"), ("dsn", "sentry")
)
OPENAI = LoginRefusal("OPENAI", (), ("openai", "incorrect API key", "invalid_api_key"))
AWS = LoginRefusal(
    r"ACCESS_KEY|\AAWS_.*(SECRET|TOKEN)",
    (
        *("security token included in the request is", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        *("InvalidSignatureException", "InvalidAccessKeyId", "(AuthFailure) when", "(ExpiredToken) when"),
    ),
    ("security token",),
)
PROVIDER = LoginRefusal(
    "",
    (
        *("incorrect API key", "incorrect_api_key", "invalid API key", "invalid_api_key", "invalid x-api-key"),
        *("invalid API-key", "API-key format invalid", "EAPI:Invalid key", "EAPI:Invalid signature"),
        "Signature for this request is not valid",
        *("API key not valid", "API key is not valid", "API key invalid", "API key is invalid", "API key expired"),
        *("API key is expired", "API key revoked", "API key is revoked", *_NO_API_KEY),
        *("error code: 401", "client error '401 unauthorized'", "AuthenticationError"),
        "401 client error: unauthorized for url",
    ),
)
UNDECRYPTED = LoginRefusal(
    "",
    (
        *("cryptography.fernet.InvalidToken", "cryptography.exceptions.InvalidTag"),
        *("EVP_DecryptFinal_ex:bad decrypt", "routines::bad decrypt"),
        *("unsupported state or unable to authenticate data", "MessageEncryptor::InvalidMessage"),
        "ActiveRecord::Encryption::Errors::Decryption",
    ),
)
"""What libraries say where data was encrypted with another key."""
UNSPECIFIC = LoginRefusal(
    "",
    (
        *("authentication failed", "authentication failure", "authentication error", "auth error", "login failed"),
        *("invalid token", "invalid access token", "invalid credentials", "bad credentials", "unauthorized"),
        *("unauthorised", "status 401", "status: 401", "status=401", "status code 401", "status code: 401"),
        *("status_code=401", "status': 401", "code 401", "code: 401", "code=401", "code': 401", "error 401"),
        *("error: 401", "HTTP 401", "improper token", "unable to authenticate user"),
        *("invalid license key", "client secret is invalid", "invalid_client"),
    ),
)
"""Words that are a refusal in the application's log, and may mean anything elsewhere."""

PRODUCTS = (
    LoginRefusal("POSTGRES|PSQL|(?<![A-Z])PG", (*_POSTGRES, *_NO_POSTGRES_PASSWORD), scheme="postgres|postgresql"),
    LoginRefusal("MYSQL|MARIADB", _MYSQL, scheme="mysql|mariadb"),
    LoginRefusal("MSSQL|SQL_?SERVER", _SQL_SERVER, scheme="mssql|sqlserver"),
    LoginRefusal("MONGO", MONGO.wordings, scheme="mongodb"),
)
"""The databases that are told apart by their own words."""
_NO_RIGHT = re.compile(r"(?i)access denied for user \S+ to database|ACCESS_REFUSED - (?:\w+ )?access to ")
"""How MySQL and RabbitMQ refuse what a user may not do, after a login with the right password."""
_USER = re.compile(r"""(?i)\bfor user \\*["']([^"'\\‹›]+(?:\\+[^"'\\‹›]+)*)\\*["']""")
"""How PostgreSQL, MySQL and SQL Server name the login that they refuse."""
ANSWER = re.compile(r"\"[A-Z]{3,7} \S+ (?:HTTP/)?\d(?:\.\d)?\\?\" \d{3}\b")
"""A line of a server's access log: what the application answered to a request."""

REFUSALS = (DATABASE, MONGO, BROKER, SLACK, REDIS, MAIL, SENTRY, OPENAI, AWS, PROVIDER, UNDECRYPTED, UNSPECIFIC)


def is_refusal(line: str) -> bool:
    """Whether a line of the application's log says that a password or a key was refused."""
    if ANSWER.search(line) or _NO_RIGHT.search(line):
        return False
    return any(plain(line).has(refusal.wordings) for refusal in REFUSALS)


def is_undecrypted(line: str) -> bool:
    """Whether a line says that data was encrypted with another key than the application has."""
    return plain(line).has(UNDECRYPTED.wordings)


def find_lack(line: str) -> str:
    """Whom the application gave nothing, so that nothing was refused, and what it lacks; "" where it gave something."""
    return next((lack for lack, wordings in _LACKS.items() if plain(line).has(wordings)), "")


def is_for(line: str, key: str) -> bool:
    """Whether a refusal comes from the system that a key is for, by the line's words and the key's name."""
    return any(
        refusal.keys
        and re.search(refusal.keys, key, re.IGNORECASE)
        and plain(line).has(refusal.wordings + refusal.hints)
        for refusal in REFUSALS
    )


def find_user(line: str) -> str:
    """The login that a database refused, by the line; "" where it names none, or a masked one."""
    match = _USER.search(line) if plain(line).has(DATABASE.wordings) else None
    # SQL Server's may have a domain, as CORP\app, whose backslash a log of JSON doubles.
    return re.sub(r"\\+", r"\\", match[1]) if match else ""


def find_addresses(line: str) -> re.Pattern[str] | None:
    """What an address of the system that refuses something in a line begins with; None where it tells no such one."""
    return _addresses([refusal for refusal in REFUSALS if plain(line).has(refusal.wordings)])


def find_others(line: str) -> tuple[re.Pattern[str], re.Pattern[str]] | None:
    """What tells that a key is another database's than the one that refuses a login: in its name, and in its value.

    None where the line has no database's own words.
    """
    others = [product for product in PRODUCTS if not plain(line).has(product.wordings)]
    addresses = _addresses(others) if len(others) < len(PRODUCTS) else None
    return (re.compile("|".join(each.keys for each in others), re.IGNORECASE), addresses) if addresses else None


def _addresses(refusals: Iterable[LoginRefusal]) -> re.Pattern[str] | None:
    """What an address of these systems begins with; None where none has an address."""
    schemes = [refusal.scheme for refusal in refusals if refusal.scheme]
    return re.compile(rf"\A(?:jdbc:)?(?:{'|'.join(schemes)})(?:\+\w+)?://") if schemes else None
