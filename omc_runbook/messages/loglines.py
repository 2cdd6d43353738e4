"""What other programs say where a value is wrong: the application, its database and providers, compose, Terraform."""

from __future__ import annotations

import re

from omc_runbook.messages.phrases import NOT_SECRETS, Phrase, program_message
from omc_runbook.messages.refusals import BROKER, DATABASE, MAIL, MONGO, PROVIDER, REDIS, SENTRY, UNDECRYPTED
from omc_runbook.messages.startline import (
    OTHER_PASSWORD,
    always,
    line,
    read_blank,
    read_default,
    read_json,
    read_key_error,
    read_name,
    read_quote,
    read_required,
    read_server,
    unreadable,
)

_SETTINGS = "Compare the variable's name in secrets[] of the task definition with Settings, then the key's value."
_LINE = r"(?:\bline (?P<line>\d{1,7}): )?"
_FATAL = r"(?:FATAL:\s{1,4}|InvalidCatalogNameError: |InvalidAuthorizationSpecificationError: )"
_PASSWORD = "POSTGRES_PASSWORD"
_REFUSES = r"\A(?!.{0,400}(?i:default|disabl|enabl|skip|ignor|optional|fall(?:s|ing)? ?back|silenc|suppress|overrid))"
"""Not a line of a program that goes on without the variable."""
_NAME = r"\b([A-Z][A-Z0-9_]{2,63})\b[\"'`]?"
_ABSENT = r"(?:\b[Ss]et(?:ting)? the |\bvariable not found: |\b[Mm]issing .{0,40}?variable:? )[\"'`]?"
_IS_ABSENT = r"(?:not set|not defined|missing|required|must be set)\b"
_NO_ENV_FILE = "compose found no such file where it looked for it"

CHANGETHIS = (
    line("changethis", r"The value of ([A-Za-z_]\w{0,63}) is \\?[\"'`]changethis\b", read_default, re.ASCII),
    line("changethis", r"\b([A-Za-z_]\w{0,63}) still has the default \\?[\"'`]changethis\b", read_default, re.ASCII),
)

APPLICATION: tuple[Phrase, ...] = (
    program_message(
        "command-fails",
        f"The container's command or entry point names a program or a module that its image lacks. {NOT_SECRETS}",
        "Compare command and entryPoint in the task definition with what the image has.",
        *("ModuleNotFoundError: No module named", "ImportError: cannot import name", "Could not import module"),
        *("can't open file * [Errno 2] No such file", "No such option:", "error: unrecognized arguments:"),
        *("sh: 1: * not found", "sh: line 1: * command not found", "Error loading ASGI app"),
        *(".sh: no such file or directory", "email-validator is not installed"),
    ),
    program_message(
        "changethis terraform-overwrote placeholder",
        "The application refuses to start with the template's default, which is public.",
        "GetSecretValue: whether the key still has the default, or a terraform apply put it back.",
        *("still has the default", "is 'changethis', for security", "default 'changethis'"),
        lines=CHANGETHIS,
    ),
    program_message(
        "name-mismatch key-unreferenced empty key-missing required-empty",
        "The application started without a variable that it requires: no reference sets it in the container, or under "
        "another name, or its value is empty. On a developer's machine .env lacks it.",
        _SETTINGS,
        *("validation error … field required", "field required [type=missing", "environment variable * is not set"),
        *("validation error* for * settings: … field required", "missing required environment variable"),
        *("os.environ[… KeyError:", "ENV.fetch… key not found:", "set the * environment variable"),
        *("not found. Declare it as envvar", "setting the * environment variable", "environment variable not found"),
        *("environment variable is missing", "environment variable is required", "environment variable is not set"),
        *("environment variable * is missing", "environment variable * is required", "missing environment variable"),
        "environment variable * not set",
        *("required key * missing value", "could not resolve placeholder", "The SECRET_KEY setting must not be empty"),
        *("missing 'secret_key_base'", "no application encryption key has been specified"),
        *("secretOrPrivateKey must have a value", "HMAC key must not be empty", "please add an environment variable"),
        *("Could not resolve authentication method", "AuthenticationError: No API key provided"),
        lines=(
            line("KeyError: ", r"\bKeyError: '([A-Z][A-Z0-9_]{2,63})'$", read_key_error),
            line("Declare it as envvar", rf"{_NAME} not found\. Declare it as envvar", read_key_error),
            line("nvironment variable", rf"{_REFUSES}.{{0,400}}?{_ABSENT}{_NAME}(?! (?:is|was) set)", read_key_error),
            line(
                "nvironment variable",
                rf"{_REFUSES}.{{0,400}}?{_NAME}(?: environment variable)?(?: is| was)? {_IS_ABSENT}",
                read_key_error,
            ),
        ),
    ),
    program_message(
        "white-space placeholder empty number-format whole-json wrong-form bad-copy",
        "The application started and refuses a variable's value. The text does not show whether it has surplus white "
        "space, is a placeholder, or has the wrong type.",
        _SETTINGS,
        *("is not a valid email", "not a valid url", "input should be a valid", "is not a valid integer"),
        *("value is not a valid", "input should be 'local', 'staging'", "error parsing value for field"),
        *("Fernet key must be", "could not deserialize key data", "could not parse the provided public key"),
        *("unable to load PEM file", "must specify one of the following schemes", "[type=value_error"),
        lines=(
            line(
                "error parsing value for field",
                r"error parsing value for field \"([A-Za-z_]\w{0,63})\" from source \"\w{1,80}\"",
                read_json,
            ),
        ),
    ),
    program_message(
        "whole-json",
        "A variable seems to hold the secret's whole JSON instead of one key of it.",
        "Check valueFrom: the key's name belongs after the ARN, as in :KEY::.",
        "input_value='{'",
    ),
    program_message(
        "null",
        "ECS prints a JSON null as <nil>, so the application got that word as its value.",
        "GetSecretValue: the key's value is null and must be a string.",
        *("'<nil>'", "key=<nil>", "key: <nil>", "password=<nil>", "password: <nil>", "token=<nil>", "bearer <nil>"),
        ":<nil>@",
    ),
    program_message(
        "nested",
        "ECS prints a JSON object as map[…], so the application got that as its value.",
        "GetSecretValue: the key's value is an object and must be a string.",
        *("'map[", "key=map[", "key: map[", "password=map[", "token=map[", "bearer map[", ":map["),
    ),
    program_message(
        "number-format url-chars wrong-form",
        "A value that must be a number is not one: ECS prints JSON numbers from a million on as 1e+06, and a delimiter "
        "in a password can become a part of a URL's port.",
        "GetSecretValue: put numbers in quotes; then look for / @ : # ? in the password.",
        *("invalid literal for int() with base 10", "unable to parse string as an integer", "invalid integer value"),
        *("invalid port number", "port could not be cast to integer", "port out of range"),
    ),
    program_message(
        "url-chars placeholder wrong-form",
        "The application built an invalid URL. An unescaped / @ : # or ? in a password ends its part of the URL early. "
        "The text may hold a piece of the password: do not pass it on.",
        "GetSecretValue: look for these characters in the password, and generate one without them.",
        *("could not translate host name", "could not parse rfc1738", "could not parse SQLAlchemy URL"),
        *("database URL cannot be parsed", "invalid character * in host name", "invalid userinfo", "invalid URL"),
        *("invalid IPv6 URL", "failed to parse URL", "invalid connection option", "URL could not be parsed"),
        "failed to resolve host",
        lines=(
            line("host name", "could not translate (?P<host>host name) ", read_server),
            line("resolve host", "failed to (?P<host>resolve host) ", read_server),
        ),
    ),
    program_message(
        "url-chars",
        "Alembic's configuration takes a % in the database's URL for its own syntax. The text may hold a piece of the "
        "password: do not pass it on.",
        "Let alembic's env.py write %% for each % of the URL, or generate a password without one.",
        *("invalid interpolation syntax in", "'%' must be followed by '%' or '('"),
    ),
    program_message(
        "store-only not-forced placeholder pg-volume terraform-overwrote bad-copy",
        "The database refused the application's password. The secret and the database differ, or the task holds an "
        "older value than the secret; the text does not say which. On a developer's machine the volume may have kept "
        "its first password.",
        "Compare the task's start with the secret's last change: if the task is younger, the password in the database "
        "was not changed.",
        *DATABASE.wordings,
        *MONGO.wordings,
        lines=(
            always("password authentication failed for user", "store-only", OTHER_PASSWORD, _PASSWORD),
            always(
                "no password supplied",
                "store-only",
                "the application gave the database no password",
                _PASSWORD,
                "fe_sendauth: no password supplied",
            ),
            always(
                "does not exist",
                "store-only",
                "the database has no such role: its volume may have been made with another one",
                "POSTGRES_USER",
                _FATAL + r"role \".{1,63}?\" does not exist",
            ),
            always(
                "does not exist",
                "store-only",
                "the server has no such database: its volume may have been made with another name",
                "POSTGRES_DB",
                _FATAL + r"database \".{1,63}?\" does not exist",
            ),
        ),
    ),
    program_message(
        "store-only placeholder not-forced white-space empty bad-copy wrong-form",
        "A provider refused the application's API key: it was revoked there or never valid, is a placeholder, or the "
        "task holds an older one. The text does not say which, and may hold a piece of the key.",
        "Try the secret's key with the provider, without printing it; then compare the task's start with "
        "the secret's last change.",
        *PROVIDER.wordings,
    ),
    program_message(
        "store-only unprovided not-forced",
        "The application cannot decrypt its data: a key such as ENCRYPTION_KEY was changed, or nothing provides it, so "
        "that each process generates its own. A new key alone makes the data unreadable: do not generate another.",
        "Whether secrets[] of the task definition gives the task the key; then whether it differs in AWSPREVIOUS.",
        *UNDECRYPTED.wordings,
    ),
    program_message(
        "white-space empty",
        "A value for an HTTP header has surplus white space, or is empty.",
        "GetSecretValue: whether the key's value ends in a line end.",
        *("illegal header value", "invalid header value", "return character(s) in header value"),
        "invalid leading whitespace",
    ),
    program_message(
        "bad-copy",
        "A text has a character that is not ASCII. Sent in an HTTP header, it is a value with a typographic quote or "
        "an invisible space; printed, it only shows that the image sets no UTF-8 locale.",
        "GetSecretValue: how the key's value begins and ends, without printing it; then copy it again.",
        "'ascii' codec can't encode character",
    ),
    program_message(
        "",
        f"The provider knows the key and refuses for quota or billing. {NOT_SECRETS}",
        "The provider's account: quota and billing.",
        *("insufficient_quota", "exceeded your current quota"),
    ),
    program_message(
        "empty key-unreferenced name-mismatch",
        "The application has no SECRET_KEY and generates one for each process: each start signs people out, and tasks "
        "do not accept each other's sessions.",
        _SETTINGS,
        "is not set: using a random one",
    ),
    program_message(
        "not-forced empty",
        "A session was signed with another SECRET_KEY than the one that checked it. After a change that is expected, "
        "once for everybody; if it goes on, tasks hold different keys, or generate their own.",
        "Compare when the service's tasks started with when the secret changed, and whether SECRET_KEY is empty.",
        *("signature verification failed", "InvalidSignatureError", "invalid signature", "JWSSignatureError"),
        "could not validate credentials",
    ),
    program_message(
        "store-only placeholder not-forced",
        "The mail server refused the application's user or password.",
        "Try the secret's SMTP_PASSWORD with the provider; then compare the task's start with the secret's change.",
        *MAIL.wordings,
    ),
    program_message(
        "store-only placeholder not-forced",
        "Redis refused the application's password.",
        "Compare the task's start with the secret's last change: if the task is younger, Redis has the old password.",
        *REDIS.wordings,
    ),
    program_message(
        "store-only placeholder not-forced",
        "The message broker refused the application's user or password.",
        "Compare the task's start with the secret's last change; then try the broker's URL, without printing it.",
        *BROKER.wordings,
    ),
    program_message(
        "store-only placeholder white-space empty",
        "Sentry's client refuses the application's DSN.",
        "Compare the secret's SENTRY_DSN with the project's in Sentry, without printing it.",
        *SENTRY.wordings,
    ),
    program_message(
        "placeholder terraform-overwrote",
        "A placeholder of Terraform's is in use as a value; it is public.",
        "GetSecretValue: whether the value is still the placeholder; CloudTrail shows who wrote it last.",
        *("-please-update", "<generate-with-"),
    ),
    program_message(
        "",
        f"The database was not reached, so no password was tried. {NOT_SECRETS}",
        "The database's address, its security group, and whether it runs.",
        *("the database does not answer", "connection to server at … connection refused"),
        *("could not connect to server", "connection to server at … timeout expired"),
        "connection to server at … timed out",
        *("can't reach database server", "ECONNREFUSED *:5432", "ECONNREFUSED *:3306", "Connect call failed *, 5432"),
        lines=(
            line(
                "onnection refused",
                r"connection to server at \"(?:localhost|127\.0\.0\.1|::1)\".{0,80}[Cc]onnection refused",
                read_server,
            ),
            line("Connect call failed", r"Connect call failed \('(?:127\.0\.0\.1|::1)', 5432", read_server),
        ),
    ),
    program_message(
        "",
        f"The database was reached and refuses the user, the database's name or the connection. {NOT_SECRETS}",
        "Compare the user, the database's name and sslmode with what this environment's server has and allows.",
        *("FATAL: role * does not exist", "FATAL: database * does not exist", "no pg_hba.conf entry for"),
        "InvalidCatalogNameError: database * does not exist",
        "unknown database",
    ),
    program_message(
        "",
        "Another version of PostgreSQL made the database's volume, and this one does not start on it.",
        "Take that version's image again, or begin with a new volume if nothing in it matters.",
        "database files are incompatible with server",
        lines=(
            always(
                "database files are incompatible with server",
                "database-version",
                "another version of PostgreSQL made the database's volume: take that version's image again, or begin"
                " with a new volume, which loses what is in this one",
            ),
        ),
    ),
)

LOCAL: tuple[Phrase, ...] = (
    program_message(
        "unterminated",
        "A quote in .env is not closed.",
        "Close it; a value with a quote in it goes into the other kind.",
        *("unterminated quoted value", "unterminated quote"),
        lines=(line("unterminated quoted value", _LINE + "unterminated quoted value", read_quote),),
    ),
    program_message(
        "unterminated colon",
        "A line of .env cannot be read, and its variable is missing: a quote is not closed, or there is no = after the "
        "name.",
        "Look at the line whose number the text names.",
        *("could not parse statement", "unexpected character * in variable name", "key cannot contain a space"),
        lines=(
            line(
                "unexpected character",
                _LINE + r"unexpected character (?P<mark>\"(?:\ufeff|\\ufeff|»|ï))?.{0,12} in variable name",
                read_name,
            ),
            unreadable(
                "key cannot contain a space",
                _LINE + "key cannot contain a space",
                "has a space before its =, or no = at all",
            ),
            unreadable(
                "could not parse statement",
                r"could not parse statement starting at line (?P<line>\d{1,7})",
                "cannot be read, and the application skips it",
            ),
        ),
    ),
    program_message(
        "dollar",
        "Compose cannot expand a value: it has a $ in it.",
        "Put the value into single quotes in .env.",
        *("invalid interpolation format", ".env: Invalid template"),
        lines=(
            always(
                "nvalid template",
                "dollar",
                "compose took a $ in a value of .env for a variable, and could not read the name",
                pattern=r"[Ii]nvalid template\b",
            ),
            always(
                "invalid interpolation format for ",
                "dollar",
                "compose cannot expand what stands behind a $ in its own file",
            ),
        ),
    ),
    program_message(
        "required-empty dotenv-missing dollar",
        "Compose found no value for a variable of that name. Either .env lacks it or is elsewhere, or a value in it "
        "has a $ that compose takes for a variable: then the name is a piece of that value, so do not pass it on.",
        "Check that .env is beside the compose file; put a value with a $ into single quotes.",
        *("variable is not set. Defaulting to a blank string", "is missing a value", "variable is not set"),
        lines=(
            line(
                "is missing a value",
                r"(?P<compose>error while interpolating [\w.\[\]-]{1,200}: )?"
                r"required variable (?P<name>[A-Za-z_]\w{0,63}) is missing a value",
                read_required,
            ),
            line(
                "variable is not set",
                r"The (?:\\?\")?([A-Za-z_]\w{0,63})(?:\\?\")? variable is not set\. Defaulting to a blank string",
                read_blank,
            ),
        ),
    ),
    program_message(
        "settings-refused",
        ".env has a variable that Settings does not declare, and Settings forbids others.",
        'Remove the variable from .env, declare it, or set extra="ignore" in Settings.',
        *("extra inputs are not permitted", "extra_forbidden"),
    ),
    program_message(
        "start-refused pg-volume settings-refused",
        "Compose does not start what waits for another service, because that one ended with an error or is unhealthy.",
        "docker compose logs, with the name of the service that ended, often that of the database's migrations.",
        *("didn't complete successfully: exit", "dependency failed to start"),
    ),
    program_message(
        "",
        f"Compose needs a network that does not exist on this machine. {NOT_SECRETS}",
        "Create it with docker network create and its name.",
        "declared as external, but could not be found",
    ),
    program_message(
        "dotenv-missing",
        "There is no .env where compose looks for it.",
        "Copy the template to .env beside the compose file.",
        *("env file * not found", "couldn't find env file", ".env: no such file or directory", ".env not found"),
        lines=(
            always(
                "env file",
                "dotenv-missing",
                _NO_ENV_FILE,
                pattern=r"\benv file .{1,500}? not found|[Cc]ouldn't find env file",
            ),
            always(".env: no such file or directory", "dotenv-missing", _NO_ENV_FILE),
        ),
    ),
    program_message(
        "crlf",
        "The file has Windows line ends.",
        "Convert .env and the scripts to plain line ends.",
        *("$'': command not found", "bad interpreter: no such file or directory"),
    ),
    program_message(
        "required-empty",
        "The database's volume is new and there is no password for it, so it does not start.",
        "Set POSTGRES_PASSWORD in .env.",
        "database is uninitialized and superuser password is not specified",
        lines=(
            always(
                "superuser password is not specified",
                "database-uninitialised",
                "the database's volume is new and there is no password for it, so it does not start",
                _PASSWORD,
                "Database is uninitialized and superuser password is not specified",
            ),
        ),
    ),
    program_message(
        "pg-volume",
        "The database found its volume filled and kept the password that it was first started with.",
        "Change the password in the database (ALTER USER), or begin with a new volume if nothing in it matters.",
        "skipping initialization",
    ),
)
"""Lines that quote .env come first: what compose quotes stands last in its line, and nothing else may be read in it."""

TERRAFORM: tuple[Phrase, ...] = (
    program_message(
        "no-current-version secret-missing",
        "Terraform found no value: the secret has no current version, or does not exist.",
        "DescribeSecret: VersionIdsToStages.",
        *("reading Secrets Manager Secret Version … couldn't find resource", "Secret Version … empty result"),
    ),
    program_message(
        "terraform-overwrote",
        "Terraform plans to write the secret's value: an apply would replace the real one with its placeholder.",
        "Do not apply. Check lifecycle.ignore_changes of aws_secretsmanager_secret_version, or remove it from "
        "Terraform's state.",
        *("aws_secretsmanager_secret_version * must be replaced", "aws_secretsmanager_secret_version * will be"),
        "aws_secretsmanager_secret_version * forces replacement",
    ),
)

LINES = tuple(line for phrase in (*LOCAL, *APPLICATION) for line in phrase.lines)
"""The forms of line, in the order in which they are tried."""
