"""An environment's configuration from runbook.toml: project, account, secret, cluster, service, roles."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError, create_model
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from omc_runbook.model.accepted import Accepted
from omc_runbook.model.audit import AuditSettings
from omc_runbook.model.aws_names import FORMS, Names, fill_in, form_of
from omc_runbook.model.catalogue import Key, catalogue
from omc_runbook.model.discovery_rule import DiscoveryRule
from omc_runbook.model.environment_names import PROJECT, canonical, environment_in, means_production
from omc_runbook.model.errors import UsageError
from omc_runbook.model.handover import CONFIRMED, warn_once
from omc_runbook.model.notify import Notify
from omc_runbook.model.parameters import first_name, split_names
from omc_runbook.model.records import RecordSettings
from omc_runbook.model.runbook_file import FILE_NAME, find_file, find_misnamed, read_content, table_of
from omc_runbook.model.same_secret import is_named_after, is_one_secret, may_be_one_secret
from omc_runbook.model.schedule import Schedule
from omc_runbook.model.shell import command
from omc_runbook.model.suggestions import ALMOST, closest, nearest

LOCAL = "local"
PRODUCTION = CONFIRMED
KNOWN = (LOCAL, "staging", PRODUCTION)
GUIDE = "the guide"
"""The source of names that no file sets."""
_PREFIX = "OMC_"
_NEAR = 0.82
"""Least likeness, of 1, of a variable and the one that may be meant: more than of another program's."""
_FOLDED = (
    ("key", rf"(?P<table>(?i:{_PREFIX}KEYS))__.*", '{"NEW_API_KEY": {"required": true}}'),
    (
        "tag",
        rf"(?P<table>(?i:{_PREFIX}(DISCOVERY__TAGS|ENVIRONMENTS__.+__SECRET_TAGS)))__.*[A-Z].*",
        '{"Project": "coins"}',
    ),
)
"""What has a name in that of a variable, as a pattern, and how it looks as JSON."""
_PARSED = 16
"""How many texts of runbook.toml are remembered with what they say."""


TABLE_NAME = r"^[\w.-]+$"
"""The pattern of an environment's name, as that of its table."""
_NAMED = "a name has letters, digits and . _ - alone"
_OptionalNames = create_model(
    "_OptionalNames",
    __config__=ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True),
    # With the constraints: an error then has the environment in its place.
    **{name: (field.rebuild_annotation() | None, None) for name, field in Names.model_fields.items()},  # type: ignore[call-overload]
)
_FORMS = {
    **FORMS,
    "project": "a name, with no braces",
    "records.kms_key": "the id, ARN or alias of a KMS key, with no braces",
    "secrets": "a name with exactly one *, which stands for the environment, such as {project}-*-app-secrets, with no"
    " braces but those of {project}",
    "check": '"smtp" or an https:// address',
    "required_if": "a variable and its values, such as LLM_PROVIDER=google|gemini",
    "reason": "a sentence",
    "environment": "the name of an environment, with no white space around it",
    **dict.fromkeys(
        ("findings", "unknown"),
        "env:NAME or file:PATH, which hold an address, or sns:ARN: an address itself contains a token",
    ),
    "event_data_store": "the ARN of an event data store, arn:aws:cloudtrail:REGION:ACCOUNT:eventdatastore/ID",
    "trail_s3": "s3://BUCKET or s3://BUCKET/PREFIX, where a trail delivers its files",
    "ping": "env:NAME or file:PATH, which hold an address: an address itself contains a token",
    "cron": "a cron expression, such as 0 7 * * *",
}
"""What a value must be, by the name of its field, where that has a pattern."""
_MUST_BE = "Input should be "
"""How pydantic's sentences on a value begin."""
_KINDS = {
    **dict.fromkeys(("dict_type", "model_type"), "a table"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
        "a date, such as 2027-06-30",
    ),
    "string_type": "a text, in quotes",
    "string_too_short": "a text that is not empty",
    "tuple_type": 'a list, such as ["…"]',
}
"""What a value must be, by pydantic's kind of error."""
_NAMING_SECRET = frozenset({"secret", "prefix"})
"""The fields that decide which secret it is, besides the account and the region."""
_DEFAULTS: dict[str, dict[str, Any]] = {PRODUCTION: {"rotation_days": 90}}


class _Settings(BaseSettings):
    """The contents of runbook.toml; without it the guide's names apply."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True
    )

    project: str = Field(default=PROJECT, min_length=1, pattern=r"^[^{}]*$")
    repository: str = ""
    environments: dict[Annotated[str, Field(pattern=TABLE_NAME)], _OptionalNames] = {}  # type: ignore[valid-type]
    keys: dict[Annotated[str, Field(pattern=r"\S")], dict[str, Any]] = {}
    accepted: tuple[Accepted, ...] = ()
    notify: Notify = Notify()
    records: RecordSettings = RecordSettings()
    schedules: tuple[Schedule, ...] = ()
    discovery: DiscoveryRule | None = None
    audit: AuditSettings = AuditSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let variables override the file, whose contents are the initial values."""
        return env_settings, init_settings


_TABLES: dict[str, tuple[str, Iterable[str]]] = {
    "environments": ("[environments.NAME]", Names.model_fields),
    "keys": ("[keys.NAME]", Key.model_fields),
    "accepted": ("[[accepted]]", Accepted.model_fields),
    "notify": ("[notify]", Notify.model_fields),
    "records": ("[records]", RecordSettings.model_fields),
    "audit": ("[audit]", AuditSettings.model_fields),
    "schedules": ("[[schedules]]", Schedule.model_fields),
    "discovery": ("[discovery]", DiscoveryRule.model_fields),
}
"""How each table is headed, and what it has."""
_WHOLE = frozenset({"accepted", "keys", "schedules"})
"""The tables that one variable sets whole: a part would be a member of a list, or a key's name in small letters."""


class _Variables(BaseSettings):
    """Names set for all environments by OMC_… variables."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", hide_input_in_errors=True)


_AllVariables = create_model(
    "_AllVariables",
    __base__=_Variables,
    **{name: (field.annotation | None, None) for name, field in Names.model_fields.items()},  # type: ignore[operator,call-overload]
)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One environment with all its names, and the catalogue of its secret's keys."""

    name: str
    project: str
    names: Names
    keys: Mapping[str, Key]
    source: str
    """Where the names come from: the path of runbook.toml, or "the guide"."""
    chosen: frozenset[str] = frozenset()
    """Names of the fields that runbook.toml or a variable sets."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The OMC_ variables that set names of fields, by field, and `accepted` and `keys.NAME.FIELD`."""
    others: Mapping[str, Names] = field(default_factory=dict)
    """The names of the other environments in AWS, by environment."""
    repository: str = ""
    """The platform's checkout, for runbooks that need one and get no other as a parameter."""
    accepted: tuple[Accepted, ...] = ()
    """The findings that are meant, as runbook.toml says."""
    notify: Notify = field(default_factory=Notify)
    """Who is notified of runs without a person."""
    schedules: tuple[Schedule, ...] = ()
    """When runs are expected, on any environment."""
    is_another_production: bool = False
    """Whether it is production as its secret tells, whatever its name is."""
    may_be_production: bool = False
    """Whether its secret has the name of production's, which says so, and nothing tells two accounts apart."""
    records: RecordSettings = field(default_factory=RecordSettings)
    """How long records are kept."""
    audit: AuditSettings = field(default_factory=AuditSettings)
    """Where an audit finds events that are older than CloudTrail's event history."""

    @property
    def words(self) -> tuple[str, str]:
        """What anybody would guess first in a value of this environment."""
        return self.project, self.name

    @property
    def is_production(self) -> bool:
        """Whether it is production, whatever its name is."""
        return self.is_another_production or means_production(self.name)

    @property
    def wants_confirmation(self) -> bool:
        """Whether a change needs a confirmation."""
        return self.is_production or self.may_be_production

    @property
    def origin(self) -> str:
        """Where the names come from, in words."""
        return f"{GUIDE}'s names" if self.source == GUIDE else f"names from {self.source}"

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters that name it to a runbook, wherever that is run: with its runbook.toml where it has one."""
        file = {} if self.source == GUIDE else {"runbook_toml": self.source}
        return {"environment": self.name} | file

    def source_of(self, field: str) -> str:
        """Where a name, `accepted` or `keys.NAME.FIELD` is set, or can be: a variable, or else the source of all."""
        return self.variables.get(field) or (FILE_NAME if self.source == GUIDE else self.source)


@dataclass(frozen=True, kw_only=True)
class FoundEnvironment:
    """An environment that its secret tells of, where runbook.toml has no table for it."""

    name: str
    """The name by which runbooks know it."""
    word: str
    """What it is called in the names of its resources, such as prod."""
    names: Mapping[str, str]
    """Fields of its names that are known: its secret, account and region, and how to sign in there."""
    is_production: bool = False


@dataclass(frozen=True)
class Configured:
    """What runbook.toml has of environments: those with a table of their own, what all share, and the rule."""

    environments: tuple[str, ...]
    project: str
    shared: Names
    """The names that are set for all, with * for an environment."""
    rule: DiscoveryRule | None


def read_configured(runbook_toml: str) -> Configured:
    """Which environments in AWS have a table in runbook.toml, and its `[discovery]`; raises UsageError as `load`."""
    path = find_file(runbook_toml)
    with _explained(path):
        file = _parse(path)
        return Configured(
            environments=tuple(name for name in file.settings.environments if name != LOCAL),
            project=file.settings.project,
            shared=file.names("*"),
            rule=file.settings.discovery,
        )


def load(
    environment: str,
    runbook_toml: str = "",
    may_be_new: bool = False,
    found: FoundEnvironment | None = None,
    calls_aws: bool = True,
) -> Environment:
    """Load an environment's names from the guide, runbook.toml and OMC_… variables, each overriding the one before.

    `runbook_toml` is a path, or "" for the runbook.toml in the folder in which `omc-runbook lab` was started, in the
    working folder or beside the notebooks, if any. With `may_be_new` an environment of any name is known, and so it is
    with `[discovery]`; `found` is the environment as that has found it. Raises UsageError for an unknown environment,
    for one whose table has another spelling, unless AWS is not called, and for a file that cannot be read or has
    unknown names.
    """
    path = find_file(runbook_toml)
    with _explained(path):
        file = _parse(path)
        settings = file.settings
        is_known = may_be_new or settings.discovery is not None
        all_names = tuple(dict.fromkeys((*KNOWN, *settings.environments, *((environment,) if is_known else ()))))
        if environment not in all_names:
            raise unknown_environment(environment, all_names)
        _refuse_unknown(settings, all_names)
        for schedule in settings.schedules:
            schedule.refuse_malformed(origin_of("schedules"))
        if calls_aws and not may_be_new and found is None:
            _refuse_other_spelling(environment, file.tables)
        filled = {name: file.names(name, found if name == environment else None) for name in all_names}
        productions = dict(file.productions(all_names))
        keys = catalogue(settings.keys)
    return Environment(
        name=environment,
        project=settings.project,
        names=filled[environment],
        keys=keys,
        # Commands that name it are pasted in other folders, too.
        source=str(path.absolute()) if path else GUIDE,
        chosen=frozenset(file.chosen(environment)),
        variables=_variables_of(environment) | _variables_of_tables(),
        others={name: names for name, names in filled.items() if name not in (LOCAL, environment)},
        repository=settings.repository,
        accepted=tuple(entry for entry in settings.accepted if entry.environment in ("", environment)),
        notify=settings.notify,
        schedules=settings.schedules,
        records=settings.records,
        audit=settings.audit,
        is_another_production=(found is not None and found.is_production)
        or any(is_one_secret(names, filled[environment]) for names in productions.values()),
        may_be_production=any(
            is_named_after(production, filled[environment]) and may_be_one_secret(names, filled[environment])
            for production, names in productions.items()
        ),
    )


def unknown_environment(environment: str, names: Iterable[str]) -> UsageError:
    """That there is no such environment, or that several were named where one is meant."""
    several = split_names("environment", environment)
    if several[1:]:
        return UsageError(
            f"environment takes one name here: run it once for each of {', '.join(several)}, or verify all of them by"
            f" {command('omc-runbook', 'fleet', *several)}."
        )
    return UsageError(f'Environment "{environment}" is unknown{nearest(environment, names)}')


def origin_of(table: str) -> str:
    """What sets a table that is a list: a variable, which replaces the file's whole list, or runbook.toml."""
    return _variable_of((table,)) or FILE_NAME


def _refuse_unknown(settings: _Settings, names: Sequence[str]) -> None:
    """Raise UsageError for an accepted finding or a schedule of an environment that there is not.

    With `[discovery]`, there may be one of any name that an environment can have.
    """
    of_what = [("accepted", each.environment, f"accepted {each.check}") for each in settings.accepted]
    of_what += [("schedules", each.environment, f"the schedule of {each.runbook}") for each in settings.schedules]
    for table, environment, what in of_what:
        may_be_found = settings.discovery is not None and re.fullmatch(TABLE_NAME, environment)
        if environment not in ("", *names) and not may_be_found:
            unknown = f'environment "{environment}" of {what} is unknown'
            first = first_name(environment)
            is_one_of_several = first in names and first != environment
            way = (
                f": name one; a run on several goes by its first, {first}."
                if is_one_of_several
                else nearest(environment, names)
                if settings.discovery is None
                else f": {_NAMED}."
            )
            raise UsageError(f"{origin_of(table)}: {unknown}{way}")


def _refuse_other_spelling(environment: str, tables: Iterable[str]) -> None:
    """Raise UsageError for an environment whose table has another spelling: the guide's names have no account."""
    if environment not in KNOWN or environment in (LOCAL, *tables):
        return
    # One letter more may be a slip; two, as in stagingeu, are an environment of its own.
    words = {name.casefold(): name for name in tables if name.isalpha() and abs(len(name) - len(environment)) < 2}
    near = closest(environment, words, ALMOST)
    spellings = [name for name in tables if canonical(name) == environment] or ([words[near]] if near else [])
    if spellings:
        raise UsageError(
            f'Environment "{environment}" has no table in {FILE_NAME}, but {spellings[0]} has: did you mean'
            f" {spellings[0]}? Else add a table [environments.{environment}]."
        )


def refuse_impossible(environment: Environment) -> None:
    """Raise UsageError where what fills a placeholder makes a name that AWS refuses."""
    for name in ("secret", "cluster", "service"):
        if form := form_of(name, getattr(environment.names, name)):
            raise UsageError(
                f"{environment.source_of(name)}: with its placeholders filled in, {name} of {environment.name} must be"
                f" {form}. Correct project or prefix, or set {name}."
            )


@dataclass(frozen=True)
class _File:
    """The contents of runbook.toml: its tables, the names for all environments, and those that variables set."""

    settings: _Settings
    shared: Mapping[str, Any]
    variables: Mapping[str, Any]
    own_tables: frozenset[str]
    """The environments of which the file itself has a table."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The environments with a table of the file's, or one of variables that names their account."""
        environments = self.settings.model_dump(include={"environments"})["environments"]
        return tuple(name for name, names in environments.items() if names["account_id"] or name in self.own_tables)

    def chosen(self, environment: str) -> dict[str, Any]:
        """The names that are set for an environment, as they are written."""
        own = self.settings.environments.get(environment)
        return {**self.shared, **(own.model_dump(exclude_none=True) if own else {}), **self.variables}

    def names(self, environment: str, found: FoundEnvironment | None = None) -> Names:
        """An environment's names."""
        is_production = (found and found.is_production) or means_production(environment)
        kind = PRODUCTION if is_production else environment
        table = {**_DEFAULTS.get(kind, {}), **self.chosen(environment), **(found.names if found else {})}
        return fill_in(table, self.settings.project, found.word if found else environment)

    def productions(self, environments: Iterable[str]) -> Iterator[tuple[str, Names]]:
        """Those environments that are production, each with its names, whatever secret a variable names for this run.

        Without a table, production has the guide's names, unless the file has a secret or prefix for all.
        """
        own = {field: value for field, value in self.variables.items() if field not in _NAMING_SECRET}
        is_guides = _NAMING_SECRET.isdisjoint(self.shared)
        for each in environments:
            if means_production(each) and (is_guides or each in self.settings.environments):
                yield each, replace(self, variables=own).names(each)


def _parse(path: Path | None) -> _File:
    if path is None and (misnamed := find_misnamed(Path.cwd())):
        warn_once(f"{misnamed} is not read: its name must be {FILE_NAME}.")
    variables = frozenset(pair for pair in os.environ.items() if pair[0].upper().startswith(_PREFIX))
    return _parse_content(path, read_content(path) if path else b"", variables)


def _misspelt(variables: Iterable[str]) -> Iterator[str]:
    """Sentences on OMC_ variables that set nothing and are near one that does: it may be another program's."""
    known = [name.upper() for name in (*_Settings.model_fields, *Names.model_fields)]
    for variable in variables:
        name, *fields = variable.upper().removeprefix(_PREFIX).split("__")
        near = name if name in known else closest(name, known, _NEAR)
        right_name = "__".join((f"{_PREFIX}{near}", *(fields if near.lower() in _TABLES else ())))
        if near and right_name != variable.upper():
            yield f"{variable} is not a variable of omc-runbook, and is ignored: did you mean {right_name}?"


@lru_cache(_PARSED)
def _parse_content(path: Path | None, content: bytes, variables: frozenset[tuple[str, str]]) -> _File:
    """What a file's content and the OMC_… variables say: each run asks for it several times."""
    for sentence in _misspelt(name for name, _ in sorted(variables)):
        warn_once(sentence)
    for name, text in sorted(variables):
        # A script may set it from a variable of its own that is not there: that takes no guard away.
        if not text and re.fullmatch(rf"{_PREFIX}(ENVIRONMENTS__.+__)?ACCOUNT_ID", name.upper()):
            right = _FORMS["account_id"]
            raise UsageError(f"{name} is invalid: account_id must be {right}, and it is empty. Set it, or unset it.")
    table = table_of(path, content) if path else {}
    environments = table.get("environments")
    own = frozenset(environments if isinstance(environments, dict) else ())
    _refuse_folded([name for name, _ in sorted(variables)], own)
    shared = {name: table.pop(name) for name in Names.model_fields if name in table}
    return _File(_Settings(**table), shared, _AllVariables().model_dump(exclude_none=True), own)


def _refuse_folded(variables: Iterable[str], tables: Collection[str]) -> None:
    """Raise UsageError for variables with a name that pydantic-settings would fold to small letters, to set another.

    `tables` are the environments of which the file has a table.
    """
    for variable in variables:
        environment = re.match(rf"{_PREFIX}ENVIRONMENTS__(.+?)(__|$)", variable, re.IGNORECASE)
        small = environment[1].lower() if environment else ""
        table = next((name for name in sorted(tables) if name.lower() == small), "")
        if table and small not in tables:
            way = f'Set {_PREFIX}ENVIRONMENTS to JSON, such as {{"{table}": {{"cluster": "blue"}}}}'
            raise UsageError(
                f"{variable} is invalid: it would set {small}, and {FILE_NAME} has [environments.{table}]. {way}."
            )
        for what, pattern, example in _FOLDED:
            if folded := re.fullmatch(pattern, variable):
                way = f"Set {folded['table'].upper()} to JSON, such as {example}"
                raise UsageError(f"{variable} is invalid: a {what}'s name in it would lose its capitals. {way}.")


@contextmanager
def _explained(path: Path | None) -> Iterator[None]:
    """Raise what is invalid in the file or the variables as a UsageError."""
    try:
        yield
    except ValidationError as error:
        # Without the input, which may be a misplaced secret.
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        kind, location = first["type"], tuple(map(str, first["loc"]))
        variable = _variable_of(location) if path is None or _is_set_by_variables(location, kind) else ""
        own_variable = _PREFIX + "__".join(location).upper()
        what = {"tuple_type": "a list: set {} to one as JSON", "string_type": "a text: set {} to one"}.get(kind)
        if what and variable.upper().startswith(own_variable):
            sentence = f"{'.'.join(location)} must be {what.format(own_variable)}."
        else:
            sentence = _sentence(kind, location, first["msg"], bool(variable))
        raise UsageError(f"{variable or path} is invalid: {sentence}") from None
    except SettingsError as error:
        field_name = "".join(re.findall(r'field "(\w+)"', str(error)))
        # Of several in a table, that with the text which is not JSON.
        text = getattr(error.__cause__, "doc", "")
        named = [name for name in os.environ if re.fullmatch(rf"{_PREFIX}{field_name}(__.+)?", name, re.IGNORECASE)]
        variable = next((name for name in named if os.environ[name] == text), named[0])
        raise UsageError(
            f'{variable} is invalid: {field_name} is not JSON, such as ["one", "two"] for a list or'
            ' {"name": "value"} for a table.'
        ) from None


def known_names() -> tuple[str, ...]:
    """The environments that `load` knows without a parameter; raises UsageError for a file that cannot be read."""
    path = find_file()
    own = table_of(path, read_content(path)).get("environments", {}) if path else {}
    return tuple(dict.fromkeys((*KNOWN, *(own if isinstance(own, dict) else ()))))


def _variables_of(environment: str) -> dict[str, str]:
    """The variables that set names of an environment, by field."""
    by_text = {name.upper(): name for name in os.environ}
    # The variable for all environments overrides that for one.
    beginnings = (f"OMC_ENVIRONMENTS__{environment}__", "OMC_")
    texts = [(field, f"{each}{field}".upper()) for each in beginnings for field in Names.model_fields]
    return {field: by_text[text] for field, text in texts if text in by_text}


def _variables_of_tables() -> dict[str, str]:
    """The variables that set the accepted findings, or a field of a key: the file has the rest."""
    variables = EnvSettingsSource(_Settings)()
    own = [f"keys.{key}.{field}" for key, entry in variables.get("keys", {}).items() for field in entry]
    own += ["accepted"] if "accepted" in variables else []
    return {each: _variable_of((each.partition(".")[0],)) for each in own}


def _variable_of(location: Sequence[str]) -> str:
    """The OMC_ variable that sets a location, something in it, or a table with it; "" where none does."""
    own, *tables = (_PREFIX + "__".join(location[:length]) for length in range(len(location), 0, -1))
    patterns = (re.escape(own), rf"{re.escape(own)}__.*", *map(re.escape, tables))
    found = (name for pattern in patterns for name in os.environ if re.fullmatch(pattern, name, re.IGNORECASE))
    return next(found, "")


def _is_set_by_variables(location: Sequence[str], kind: str) -> bool:
    """Whether what is wrong at a location, by pydantic's kind of error, is set by variables and not by the file."""
    value: Any = EnvSettingsSource(_AllVariables)() | EnvSettingsSource(_Settings)()
    for part in location[:-1] if kind == "missing" or location[-1] == "[key]" else location:
        if isinstance(value, list) and part.isdecimal():
            value = dict(enumerate(value)).get(int(part))
        elif isinstance(value, dict) and part in value:
            value = value[part]
        else:
            return False
    return True


def _homes_of(name: str, is_variable: bool) -> str:
    """A sentence on where a name may stand, "" for nowhere: the variables, or the tables of TOML and what is above.

    TOML takes what follows a table's heading for the table's own.
    """
    is_shared = name in Names.model_fields or (name in _Settings.model_fields and name not in _TABLES)
    tables = [table for table, (_, fields) in _TABLES.items() if name in fields]
    if is_variable:
        parts = {table: f"{table}__NAME__{name}" if table == "environments" else f"{table}__{name}" for table in tables}
        own = [f"{table.upper()} as JSON" if table in _WHOLE else part.upper() for table, part in parts.items()]
        homes = [f"{_PREFIX}{each}" for each in (*([name.upper()] if is_shared else []), *own)]
    else:
        homes = [*(["above all tables"] if is_shared else []), *(f"in {_TABLES[each][0]}" for each in tables)]
    verb = f"{name} is set by" if is_variable else f"{name} belongs"
    return f"{verb} {' or '.join(filter(None, (', '.join(homes[:-1]), *homes[-1:])))}." if homes else ""


def _sentence(kind: str, parts: tuple[str, ...], message: str, is_variable: bool) -> str:
    location = ".".join(parts)
    if kind == "extra_forbidden":
        if parts[0] == "environments" and parts[-1] in _Settings.model_fields:
            return f"{location} is not a known name: {parts[-1]} is set once, for all environments."
        if len(parts) == 1 and environment_in(location):
            return f"{location} is not a known name: the table of an environment is [environments.{location}]."
        _, fields = _TABLES.get(parts[0], ("", [*_Settings.model_fields, *Names.model_fields]))
        home = _homes_of(parts[-1], is_variable)
        way = nearest(parts[-1], fields) if not home or closest(parts[-1], fields) else ":"
        return f"{location} is not a known name{way} {home}".rstrip()
    if parts[-1] == "[key]" and parts[0] == "keys":
        return "keys has a table without a name: that is the key's, as in [keys.NEW_API_KEY]."
    if parts[-1] == "[key]":
        return f'{parts[0]} has a table "{parts[1]}", and {_NAMED}.'
    if kind == "string_pattern_mismatch":
        name = next(part for part in reversed(parts) if not part.isdecimal())
        return f"{location} must be {_FORMS.get(location) or _FORMS[name]}."
    if kind == "one_of":
        return f"{location} {message}."
    is_list_of_tables = kind == "tuple_type" and location in ("accepted", "schedules")
    what = f"a table with two brackets, [[{location}]]" if is_list_of_tables else _KINDS.get(kind, "")
    if what or message.startswith(_MUST_BE):
        return f"{location} must be {what or message.removeprefix(_MUST_BE)}."
    return f"{location} is missing." if kind == "missing" else f"{location}: {message}."
