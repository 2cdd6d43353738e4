"""What a start said, told by variable: the application's Settings, its database and compose, without a value."""

import enum
import random
import time
from typing import Annotated, Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ByteSize,
    DirectoryPath,
    Field,
    HttpUrl,
    IPvAnyAddress,
    Json,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from omc_runbook.messages.startline import StartProblem
from omc_runbook.messages.startlog import last_exception, problem_of, read_log
from omc_runbook.messages.validation import FieldError
from omc_runbook.sandbox.ecs import application

CANARY = "kanarienvogel"
REQUIRED = "it is required and not set"
INTEGER = "it is not a valid integer"
VISIT = "    For further information visit https://errors.pydantic.dev/2.11/v/"


def short(text: str, *variables: str) -> list[tuple[str, str]]:
    """The checks and variables of a text's problems."""
    return [(problem.check, problem.variable) for problem in read_log(text, variables)]


def error(name: str, kind: str, message: str = "Field required", value: str = "{}", of: str = "dict") -> str:
    """One error as pydantic writes it."""
    return f"{name}\n  {message} [type={kind}, input_value={value}, input_type={of}]\n{VISIT}{kind}\n"


def block(*errors: str) -> str:
    plural = "s" if len(errors) != 1 else ""
    return f"pydantic_core._pydantic_core.ValidationError: {len(errors)} validation error{plural} for Settings\n" + (
        "".join(errors)
    )


class Mode(enum.Enum):
    """A choice."""

    FAST = "fast"


class Part(BaseModel):
    """A part with a value of its own."""

    SIZE: int


def refuse(value: str) -> str:
    raise ValueError(f"bad: {value}\nFORGED\n  Field required [type=missing, input_value={{}}, input_type=dict]")


def filled(**values: Any) -> str:
    """What pydantic says of one class of settings with every kind of field."""

    class Settings(BaseSettings):
        model_config = SettingsConfigDict(extra="forbid")

        NEEDED: str
        PORT: int
        FLAG: bool
        URL: HttpUrl
        SCHEME: HttpUrl
        CHOICE: Literal["local", "staging"]
        MODE: Mode
        TEXT: str
        NAMES: list[str]
        NUMBERS: list[int]
        LIMITS: dict[str, int]
        PASSWORD: Annotated[str, Field(min_length=8)]
        PART: Part
        OWN: Annotated[str, AfterValidator(refuse)]
        FORM: Annotated[str, Field(pattern="^a")]
        OTHER: int = Field(validation_alias=AliasChoices("FIRST_NAME", "SECOND_NAME"))
        RATE: float
        DATA: Json[Any]
        MOST: Annotated[int, Field(le=5)]
        ADDRESS: IPvAnyAddress
        FOLDER: DirectoryPath
        SIZE: ByteSize

    with pytest.raises(ValidationError) as caught:
        Settings(**values)
    return str(caught.value)


WRONG: dict[str, Any] = {
    "PORT": f"{CANARY} [type=missing, input_value='\nNEEDED\n  Field required [type=missing]",
    "FLAG": CANARY,
    "URL": CANARY,
    "SCHEME": f"ftp://{CANARY}",
    "CHOICE": CANARY,
    "MODE": CANARY,
    "TEXT": 5,
    "NAMES": [1],
    "NUMBERS": ["1", CANARY],
    "LIMITS": {f"{CANARY} key": "x"},
    "PASSWORD": CANARY[:5],
    "PART": {"SIZE": CANARY},
    "OWN": CANARY,
    "FORM": CANARY,
    "FIRST_NAME": CANARY,
    "RATE": CANARY,
    "DATA": "{",
    "MOST": 9,
    "ADDRESS": CANARY,
    "FOLDER": CANARY,
    "SIZE": CANARY,
    CANARY: "x",
}


def test_each_type_of_error_in_our_words() -> None:
    """What pydantic itself writes of each kind of field is a problem of its variable, with a reason and no value."""
    problems = read_log(f"Traceback (most recent call last):\n{filled(**WRONG)}\nafterwards")
    assert {each.variable: each.reason for each in problems} == {
        "NEEDED": REQUIRED,
        "PORT": INTEGER,
        "FLAG": "it is neither true nor false",
        "URL": "it is not a valid URL",
        "SCHEME": "Settings does not allow the scheme of the URL",
        "CHOICE": "it is not one of the values that Settings allows",
        "MODE": "it is not one of the values that Settings allows",
        "TEXT": "it is not a string",
        "NAMES": "it is not a string",
        "NUMBERS": INTEGER,
        "LIMITS": INTEGER,
        "PASSWORD": "it is too short",
        "PART": INTEGER,
        "OWN": "a validator of Settings refuses it",
        "FORM": "it does not match the pattern of Settings",
        "FIRST_NAME": INTEGER,
        "RATE": "it is not a valid number",
        "DATA": "it is not valid JSON",
        "MOST": "it is outside the range that Settings allows",
        "ADDRESS": "it is not a valid IP address",
        "FOLDER": "there is no such file or folder",
        "SIZE": "it is not a valid size",
        "": "Settings has no such field and forbids others",
    }
    assert {each.check for each in problems if each.variable != "NEEDED"} == {"settings-refused"}
    assert problems[0] == StartProblem("required-empty", "NEEDED", REQUIRED, "")
    assert CANARY not in repr(problems)


def test_a_name_that_a_file_gave_is_told_where_it_is_known() -> None:
    """The name of a variable too many may be a piece of a value, unless somebody knows it; in whatever case."""
    text = block(error("new_key", "extra_forbidden", "Extra inputs are not permitted", "'x'", "str"))
    assert short(text) == [("settings-refused", "")]
    assert short(text, "NEW_KEY") == [("settings-refused", "NEW_KEY")]
    assert short(block(error("secret_key", "missing")), "SECRET_KEY") == [("required-empty", "SECRET_KEY")]


def test_a_type_that_is_not_known() -> None:
    """An unknown type is named, since the code of the application chose it."""
    (problem,) = read_log(block("KEY\n  own words [type=too_simple, input_value='x', input_type=str]\n"))
    assert (problem.check, problem.variable, problem.reason) == ("settings-refused", "KEY", "pydantic says too_simple")


def test_errors_without_their_input() -> None:
    """A class that hides its input, and an installation that hides the addresses, are read as well."""
    hidden = "2 validation errors for Settings\nPORT\n  Input should be a valid integer [type=int_type]\n"
    assert short(f"{hidden}{VISIT}int_type\nKEY\n  Field required [type=missing]\n{VISIT}missing\n") == [
        ("settings-refused", "PORT"),
        ("required-empty", "KEY"),
    ]
    assert short(f"{hidden}KEY\n  Field required [type=missing]\n") == [
        ("settings-refused", "PORT"),
        ("required-empty", "KEY"),
    ]


def test_an_error_of_the_whole_model() -> None:
    """A check of the whole class names no variable, unless its words do in a way that is known."""

    class Settings(BaseSettings):
        WORDS: str = ""

        @model_validator(mode="after")
        def check(self) -> "Settings":
            raise ValueError(self.WORDS)

    def problems_of(words: str) -> tuple[StartProblem, ...]:
        with pytest.raises(ValidationError) as caught:
            Settings(WORDS=words)
        return read_log(str(caught.value))

    assert problems_of(CANARY) == (StartProblem("settings-refused", "", "a validator of Settings refuses it", ""),)
    assert problems_of("OPENAI_API_KEY: field required") == (
        StartProblem("required-empty", "OPENAI_API_KEY", REQUIRED, ""),
    )
    assert problems_of("value is not a valid email address: x") == (
        StartProblem("settings-refused", "", "it is not a valid e-mail address", ""),
    )
    default = 'The value of SECRET_KEY is "changethis", for security, please change it, at least for deployments.'
    assert problems_of(default) == (
        StartProblem("changethis", "SECRET_KEY", "it still has the default changethis", ""),
    )


@pytest.mark.parametrize(
    "value",
    [
        "'a\nFORGED\n  Field required [type=missing, input_value={}, input_type=dict]\n'",
        f"'a', input_type=str]\n{VISIT}int_parsing\nFORGED\n  Field required [type=missing, input_value={{}}, x",
        "'a\n9 validation errors for Settings\nFORGED\n  Field required [type=missing]\n'",
        "'a\nThe value of FORGED is \"changethis\"\n'",
        'x\nFATAL: password authentication failed for user "FORGED"\n',
    ],
)
def test_a_value_that_looks_like_an_error(value: str) -> None:
    """A value over several lines passes for no error of another variable, and hides none that follows."""
    text = block(error("PORT", "int_parsing", "Input should be a valid integer", value, "str"))
    assert [problem.variable for problem in read_log(text)] == ["PORT"]
    two = block(error("PORT", "int_parsing", "Input should be a valid integer", value, "str"), error("KEY", "missing"))
    variables = [problem.variable for problem in read_log(f"{two}\nnothing")]
    assert variables[0] == "PORT" and variables[1] in ("KEY", "") and len(variables) == 2


def test_more_errors_than_were_counted() -> None:
    """Where the text has more errors than it says, only the first is certain, and not of which type it is."""
    text = block(error("ONE", "int_parsing")) + error("TWO", "missing")
    assert read_log(text) == (StartProblem("settings-refused", "ONE", "Settings refuses it", ""),)
    text = block(error("ONE", "int_parsing"), error("TWO", "missing")) + error("THREE", "missing")
    assert short(text) == [("settings-refused", "ONE"), ("settings-refused", "")]


def test_a_text_that_ends_too_early() -> None:
    """What is there of a cut text is read; an error that never ends takes no more than its share."""
    assert short("3 validation errors for Settings\n" + error("ONE", "missing") + "TWO") == [("required-empty", "ONE")]
    assert short("1 validation error for Settings") == []
    assert short("1 validation error for Settings\nONE\n  Field requ") == [("settings-refused", "ONE")]
    again = "3 validation errors for Settings\n" + error("ONE", "missing") + block(error("TWO", "missing"))
    assert short(again) == [("required-empty", "ONE"), ("required-empty", "TWO")]
    endless = "1 validation error for Settings\nONE\n  bad\n" + "x\n" * 100 + 'FATAL:  database "a" does not exist'
    assert short(endless) == [("settings-refused", "ONE"), ("store-only", "POSTGRES_DB")]


def test_errors_of_other_models() -> None:
    """A request that the application refused is no problem of its settings."""
    assert short("1 validation error for UserCreate\n" + error("email", "missing")) == []


def test_pydantic_version_1() -> None:
    """The older form is read as well."""
    text = (
        "pydantic.error_wrappers.ValidationError: 6 validation errors for Settings\n"
        "SECRET_KEY\n  field required (type=value_error.missing)\n"
        "PORT\n  value is not a valid integer (type=type_error.integer)\n"
        f"MODE\n  unexpected value; permitted: 'a' (type=value_error.const; given={CANARY}; permitted=('a',))\n"
        "ORIGINS -> 0\n  invalid or missing URL scheme (type=value_error.url.scheme)\n"
        "LINK\n  URL host invalid (type=value_error.url.host)\n"
        "__root__\n  no (type=value_error)\n"
    )
    assert [(problem.variable, problem.reason) for problem in read_log(text)] == [
        ("SECRET_KEY", REQUIRED),
        ("PORT", INTEGER),
        ("MODE", "it is not one of the values that Settings allows"),
        ("ORIGINS", "Settings does not allow the scheme of the URL"),
        ("LINK", "it is not a valid URL"),
        ("", "a validator of Settings refuses it"),
    ]


def test_a_list_that_is_no_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pydantic-settings itself says of a list that it cannot parse names the variable."""

    class Settings(BaseSettings):
        ORIGINS: list[int]

    monkeypatch.setenv("ORIGINS", CANARY)
    with pytest.raises(SettingsError) as caught:
        Settings()
    (problem,) = read_log(f"pydantic_settings.exceptions.SettingsError: {caught.value}")
    assert (problem.check, problem.variable) == ("settings-refused", "ORIGINS")
    assert "JSON" in problem.reason


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"OPENAI_API_KEY": ""}, [("required-empty", "OPENAI_API_KEY")]),
        ({"POSTGRES_PORT": CANARY, "SENTRY_DSN": "x"}, ["POSTGRES_PORT", "SENTRY_DSN"]),
        ({"SECRET_KEY": "changethis", "ENVIRONMENT": "staging"}, [("changethis", "SECRET_KEY")]),
        ({"FIRST_SUPERUSER": CANARY}, ["FIRST_SUPERUSER"]),
        ({"ENVIRONMENT": CANARY}, ["ENVIRONMENT"]),
        ({"SMTP_PORT": CANARY}, ["SMTP_PORT"]),
    ],
)
def test_the_sandbox_application(
    variables: dict[str, str],
    expected: list[Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line that the example application writes when it does not start is read like any other."""
    whole = {"POSTGRES_PASSWORD": "p", "FIRST_SUPERUSER": "a@b.c", "FIRST_SUPERUSER_PASSWORD": "q"}
    assert application.main([], whole | {"OPENAI_API_KEY": "k"} | variables) == 3
    problems = read_log(capsys.readouterr().out)
    assert [(each.check, each.variable) for each in problems] == [
        each if isinstance(each, tuple) else ("settings-refused", each) for each in expected
    ]
    assert CANARY not in repr(problems)


def test_one_line_with_more_than_was_counted() -> None:
    """A message that looks like a second error makes the first uncertain, and is no second error."""
    text = "1 validation error(s) for Settings: A: Value error, x; B: Field required"
    assert read_log(text) == (StartProblem("settings-refused", "A", "Settings refuses it", ""),)


DENIED = 'FATAL:  password authentication failed for user "postgres"'
SKIPPED = "PostgreSQL Database directory appears to contain a database; Skipping initialization"


def test_a_database_that_refuses_the_password() -> None:
    """Alone the refusal may have several causes; beside a volume that was there already it has one."""
    (alone,) = read_log(f"2026-01-02 03:04:05.678 UTC [33] {DENIED}\n" * 3)
    assert (alone.check, alone.variable) == ("store-only", "POSTGRES_PASSWORD")
    assert "look whether" in alone.reason
    for text in (f"db-1  | {SKIPPED}\nbackend-1  | {DENIED}", f"backend-1  | {DENIED}\ndb-1  | {SKIPPED}"):
        (both,) = read_log(text)
        assert (both.check, both.variable, both.service) == ("pg-volume", "POSTGRES_PASSWORD", "backend")
    assert read_log(SKIPPED) == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('psycopg.OperationalError: FATAL:  role "x" does not exist', ("store-only", "POSTGRES_USER")),
        ('asyncpg.exceptions.InvalidCatalogNameError: database "x" does not exist', ("store-only", "POSTGRES_DB")),
        (
            "Error: Database is uninitialized and superuser password is not specified.",
            ("database-uninitialised", "POSTGRES_PASSWORD"),
        ),
        (
            'UserWarning: The value of POSTGRES_PASSWORD is "changethis", for security, please change it.',
            ("changethis", "POSTGRES_PASSWORD"),
        ),
        (
            '{"message": "The value of SECRET_KEY is \\"changethis\\", for security"}',
            ("changethis", "SECRET_KEY"),
        ),
        (
            'time="T" level=warning msg="The \\"FOO\\" variable is not set. Defaulting to a blank string."',
            ("dollar", ""),
        ),
        ('WARN[0000] The "FOO" variable is not set. Defaulting to a blank string.', ("dollar", "")),
        ("WARNING: The KNOWN variable is not set. Defaulting to a blank string.", ("required-empty", "KNOWN")),
        ("env file /x/y/.env not found: stat /x/y/.env: no such file or directory", ("dotenv-missing", "")),
        ("Couldn't find env file: /x/.env", ("dotenv-missing", "")),
        ("open /x/.env: no such file or directory", ("dotenv-missing", "")),
        (
            "error while interpolating services.backend.image: required variable TAG is missing a value: Not set",
            ("required-empty", "TAG"),
        ),
        ("failed to read /x/.env: required variable PIECE is missing a value: rest", ("dollar", "")),
        ("failed to read /x/.env: required variable KNOWN is missing a value: rest", ("required-empty", "KNOWN")),
        (f'failed to read /x/.env: line 3: unterminated quoted value "{CANARY}', ("unterminated", "")),
        (
            f'failed to read /x/.env: line 2: unexpected character "+" in variable name "{CANARY}+x"',
            ("unterminated", ""),
        ),
        ('unexpected character "»" in variable name near "A=1"', ("dotenv-bom", "")),
        ('failed to read /x/.env: line 1: unexpected character "\ufeff" in variable name "A"', ("dotenv-bom", "")),
        ("failed to read /x/.env: line 1: key cannot contain a space", ("unterminated", "")),
        (f'failed to read /x/.env: Invalid template: "${{{CANARY}"', ("dollar", "")),
        ("invalid interpolation format for services.backend.image.", ("dollar", "")),
        ("python-dotenv could not parse statement starting at line 12", ("unterminated", "")),
        (
            'psycopg.OperationalError: connection to server at "127.0.0.1", port 5432 failed: Connection refused',
            ("server", ""),
        ),
        ("ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 5432)", ("server", "")),
        ('could not translate host name "dbb" to address: Name or service not known', ("server", "")),
        ("psycopg.OperationalError: failed to resolve host 'dbb': [Errno -2]", ("server", "")),
        ("connection failed: fe_sendauth: no password supplied", ("store-only", "POSTGRES_PASSWORD")),
        ("FATAL:  database files are incompatible with server", ("database-version", "")),
        ("KeyError: 'KNOWN'", ("required-empty", "KNOWN")),
        ('environs.exceptions.EnvError: Environment variable "KNOWN" not set', ("required-empty", "KNOWN")),
        ("decouple.UndefinedValueError: KNOWN not found. Declare it as envvar or", ("required-empty", "KNOWN")),
        (
            "django.core.exceptions.ImproperlyConfigured: Set the KNOWN environment variable",
            ("required-empty", "KNOWN"),
        ),
        (
            "openai.OpenAIError: The api_key client option must be set either by passing api_key to the client or by "
            "setting the KNOWN environment variable",
            ("required-empty", "KNOWN"),
        ),
        ("Error: Environment variable not found: KNOWN.", ("required-empty", "KNOWN")),
        ("ValueError: Missing required environment variable: KNOWN", ("required-empty", "KNOWN")),
        ("RuntimeError: KNOWN environment variable is not set", ("required-empty", "KNOWN")),
    ],
)
def test_one_line_of_other_programs(line: str, expected: tuple[str, str]) -> None:
    """The database, compose and python-dotenv are understood, alone and behind every kind of prefix."""
    stamp = "2026-01-02T03:04:05.678901234Z "
    for before, service in (("", ""), ("ohmycoins-backend-1  | ", "ohmycoins-backend"), (f"db | {stamp}", "db")):
        for start, end in (
            ("", ""),
            (before, "\r\nnext\r\n"),
            (f"\x1b[36m{before}\x1b[0m", ""),
            (f"{before}ERROR: ", ""),
        ):
            (problem,) = read_log(f"{start}{line}{end}", ("KNOWN",))
            assert (problem.check, problem.variable) == expected
            assert problem.service == (service if start else "") and CANARY not in problem.reason


def test_a_server_that_is_not_there_is_told_by_the_variable_that_names_it() -> None:
    """A database that is only late refuses connections too, and is not meant."""
    line = 'connection to server at "{}" (x), port 5432 failed: Connection refused'
    (problem,) = read_log(line.format("localhost"), ("POSTGRES_SERVER",))
    assert (problem.variable, "service's name" in problem.reason) == ("POSTGRES_SERVER", True)
    assert read_log(line.format("db"), ("POSTGRES_SERVER",)) == read_log("KeyError: 'SOMETHING'") == ()


@pytest.mark.parametrize(
    "line",
    [
        "The environment variable KNOWN is deprecated",
        "KNOWN is set by the environment variable OTHER",
        "KNOWN environment variable is not set; mail is disabled",
        "Environment variable KNOWN not set, using the default",
        "Optional environment variable KNOWN is missing",
        "Set the KNOWN environment variable to enable tracing",
    ],
)
def test_not_each_variable_that_a_line_names_is_missing(line: str) -> None:
    """Only what the line says is not set, and of that only names that somebody knows of."""
    assert read_log(line, ("KNOWN",)) == read_log('Environment variable "SOMETHING" not set', ("KNOWN",)) == ()


def test_a_variable_is_told_whatever_way_pydantic_names_it() -> None:
    """A field within a model by the variable of both names, and what a check of the whole model says by its words."""
    variables = ("CACHE__PORT", "SECRET_KEY")
    nested = error("cache.port", "int_parsing", "Input should be a valid integer", "'x'", "str")
    assert [each.variable for each in read_log(block(nested), variables)] == ["CACHE__PORT"]
    whole = problem_of(FieldError("", "value_error", f"Value error, SECRET_KEY and {CANARY} are too short"), variables)
    assert whole.variable == "SECRET_KEY"
    assert (
        problem_of(FieldError("", "value_error", f"Value error, {CANARY.upper()} is short"), variables).variable == ""
    )


def test_a_value_that_looks_like_an_end_hides_no_reason() -> None:
    """What stands before the next error belongs to this one: its last line names its kind."""
    value = f"'{CANARY} [type=missing, input_value=1, input_type=str]\nmore'"
    first, second = read_log(
        block(error("PORT", "int_parsing", "Invalid", value, "str"), error("SECRET_KEY", "missing"))
    )
    assert (first.variable, first.reason) == ("PORT", "it is not a valid integer")
    assert (second.variable, second.check) == ("SECRET_KEY", "required-empty")


def test_where_in_the_file() -> None:
    """The reason has the line's number, and nothing of the line."""
    (problem,) = read_log(f'failed to read /x/.env: line 3: unterminated quoted value "{CANARY}')
    assert problem.reason == "a quote in .env is not closed before line 3"
    (problem,) = read_log("failed to read /x/.env: unterminated quoted value")
    assert problem.reason == "a quote in .env is not closed"
    (problem,) = read_log("failed to read /x/.env: line 7: key cannot contain a space")
    assert problem.reason.startswith("line 7 of .env")
    (problem,) = read_log('unexpected character "+" in variable name near "x"')
    assert problem.reason.startswith("a line of .env cannot be read")


def test_what_compose_quotes_is_not_read() -> None:
    """The piece of a value at the end of a line passes for nothing else that somebody said."""
    line = "failed to read /x/.env: line 3: unterminated quoted value "
    assert short(f'{line}"The value of X is "changethis"') == [("unterminated", "")]
    assert short(f'{line}"{DENIED}') == [("unterminated", "")]


def test_services_whose_lines_are_mixed() -> None:
    """What two containers log at the same time is a problem of each, with the times of -t and in colours."""
    backend = block(error("PORT", "int_parsing", "Input should be a valid integer", f"'{CANARY}'", "str")).splitlines()
    worker = block(error("KEY", "missing"), error("OTHER", "missing")).splitlines()
    lines = []
    for number in range(max(len(backend), len(worker))):
        for name, log in (("backend-1", backend), ("worker-1 ", worker)):
            if number < len(log):
                lines.append(f"\x1b[33m{name} | \x1b[0m2026-01-02T03:04:05.678901234Z {log[number]}")
        lines.append(f"db-1      | 2026-01-02T03:04:05.678901234Z {DENIED}")
    problems = read_log("\r\n".join(lines))
    assert [(each.service, each.variable) for each in problems] == [
        ("backend", "PORT"),
        ("worker", "KEY"),
        ("worker", "OTHER"),
        ("db", "POSTGRES_PASSWORD"),
    ]


def test_each_thing_is_told_once() -> None:
    """A container that was started again and again says the same many times."""
    assert len(read_log(block(error("KEY", "missing")) * 50)) == 1


def test_text_that_says_nothing() -> None:
    """An ordinary log, words that only resemble the messages, and no text at all tell nothing."""
    quiet = "backend-1  | INFO:     Application startup complete.\nGET /health 200\nthe variable is not set\n"
    assert read_log(quiet) == read_log("") == read_log("changethis") == read_log("validation error") == ()


def test_an_error_is_told_as_in_a_log() -> None:
    """An error that comes as data has the same reason, and shows nothing of pydantic's text."""
    refusal = FieldError("KEY", "missing", CANARY)
    assert problem_of(refusal) == StartProblem("required-empty", "KEY", REQUIRED, "")
    assert problem_of(FieldError("x", "extra_forbidden"), ("KEY",)).variable == ""
    assert CANARY not in repr(refusal)


PIECES = st.sampled_from(
    [
        *(
            "1 validation error for Settings",
            "3 validation errors for Settings",
            "KEY",
            "  Field required",
            "\n",
            "\r\n",
        ),
        *("[type=missing, ", "[type=int_parsing]", f"{VISIT}missing", "input_value='", "input_type=str]", "    "),
        *(
            "backend-1  | ",
            "ERROR:    ",
            "\x1b[0m",
            '"changethis"',
            "The value of ",
            " is ",
            DENIED,
            SKIPPED,
            ": ",
            "; ",
        ),
        *("failed to read /x/.env: ", "line 3: ", "unterminated quoted value", "unexpected character ", "env file "),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES | st.text(max_size=5), max_size=30))
@example(["1 validation error for Settings", "\n", "  Field required", "[type=missing, "])
def test_any_text_is_read(pieces: list[str]) -> None:
    """Whatever is pasted is read without an error, and a reason holds no more than our own words."""
    for problem in read_log("".join(pieces)):
        assert problem.check and problem.reason and "\n" not in problem.reason + problem.variable


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(sorted(WRONG)), unique=True), st.text(alphabet="xyz'\"[]{}=,\\\n ", max_size=60))
@pytest.mark.long
def test_no_value_is_ever_told(names: list[str], around: str) -> None:
    """Whatever a value looks like, the problems have every variable and nothing of the value."""
    values = {name: f"{CANARY}{around}" for name in names if name != CANARY}
    problems = read_log(filled(**values))
    assert CANARY not in repr(problems)
    missing = {each.variable for each in problems if each.check == "required-empty"}
    assert missing == {"NEEDED", *WRONG} - {*values, CANARY}


LARGE = {
    "a log": "backend-1  | 2026-01-02T03:04:05.678901234Z INFO:     127.0.0.1:1234 - GET /api/v1/coins HTTP/1.1 200\n",
    "errors": "a-1 | 1 validation error for Settings\na-1 | KEY\na-1 |   Field required [type=missing]\n",
    "errors that are not there": "9 validation errors for Settings\nKEY\n  x [type=a]\n",
    "errors that never end": "1 validation error for Settings\nKEY\n  x [type=\n",
    "errors with more between": "9 validation errors for Settings\nKEY\n  x [type=a]\n" + "nothing at all\n" * 15,
    "headers": "1 validation error for Settings\n",
    "short lines": "x\n",
    "refusals": f"{DENIED}\n",
    "two services": "a-1 | 1 validation error for Settings\nb-1 | 1 validation error for Settings\na-1 | K\nb-1 | K\n",
    "one line of names": "The value of " + "A" * 60 + " ",
    "one line of headers": "1 validation errors for Settings ",
    "one line of files": "env file failed to read unexpected character ",
    "one line": "x",
    "one line of spaces": " ",
    "one line of prefixes": "a ",
    "colours": "\x1b[36m",
    "half colours": "\x1b]",
    "nothing": "\n",
}


def seconds(text: str) -> float:
    begin = time.process_time()
    read_log(text)
    return time.process_time() - begin


@pytest.mark.long
def test_five_megabytes_take_no_time() -> None:
    """A long log of an ordinary kind is read in less than two seconds."""
    ordinary = LARGE["a log"] * 100 + block(error("KEY", "missing"))
    assert seconds(ordinary * (5_000_000 // len(ordinary))) < 2


@pytest.mark.long
@pytest.mark.parametrize("kind", LARGE)
def test_time_grows_with_the_text_and_no_faster(kind: str) -> None:
    """No text, whatever it is made of, takes long: a megabyte, for which squares would take minutes."""
    piece = LARGE[kind]
    assert seconds(piece * (1_000_000 // len(piece))) < 2


@pytest.mark.long
def test_random_text_takes_no_time() -> None:
    """Nor does one in which everything comes in any order."""
    chosen = random.Random(5).choices([*LARGE.values(), *"\n\n\n\n"], k=25_000)
    assert seconds("".join(chosen)[:1_000_000]) < 2


def test_the_last_exception_of_a_service_is_named_by_its_class() -> None:
    """Of the service alone, whichever replica wrote it, and without its message."""
    log = (
        "prestart-1  | sqlalchemy.exc.OperationalError: (psycopg.OperationalError) s3cr3t\n"
        "prestart-1  | ERROR: no class\n"
        "prestart-1  | \x1b[31malembic.util.exc.CommandError: s3cr3t\x1b[0m\r\n"
        "backend-1   | ValueError: s3cr3t\n"
        "backend-1   | the ValueError: was s3cr3t\n"
    )
    assert last_exception(log, "prestart") == "alembic.util.exc.CommandError"
    assert last_exception(log, "backend") == "ValueError"
    assert last_exception(log, "db") == ""
