"""Faults around a .env: git, the template, Docker Compose, the shell, and the start's log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from omc_runbook.checks.check import (
    COMPOSE_CONFIG,
    COMPOSE_FILE,
    DOTENV,
    START_LOG,
    STARTED,
    WORKSTATION,
    Evidence,
    Uncertain,
)
from omc_runbook.checks.dotenv import check, compose_of, dotenv_of, reader_check, workstation_of
from omc_runbook.checks.dotenv_quoting import misread_names
from omc_runbook.checks.local import ENVIRONMENT, is_too_guessable, likely_words, renew
from omc_runbook.masking.addresses import secret_parts
from omc_runbook.masking.defects import is_stand_in
from omc_runbook.masking.plain_variables import is_public
from omc_runbook.masking.search import ValueSearch
from omc_runbook.masking.strength import digits_of_guesses
from omc_runbook.masking.value import Masked
from omc_runbook.messages.startline import StartProblem
from omc_runbook.model.findings import Remedy, Severity
from omc_runbook.model.grouping import grouped
from omc_runbook.model.letters import FILES_NAMED, counted, listed
from omc_runbook.model.placeholders import CIPHERTEXT, REFERENCE
from omc_runbook.model.shell import command, unset_commands
from omc_runbook.repository.compose import Compose, ComposeService, ServiceVariable
from omc_runbook.repository.git import GitStatus
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.docker import IS_FOLDER
from omc_runbook.workstation.history import LOGIN, Location
from omc_runbook.workstation.leaks import TrackedValue
from omc_runbook.workstation.workstation import Workstation, is_blank, is_value

_WITHOUT_PATH = re.compile(r"(?:\A|[:;,])\s*(?:[:;,]|\Z)")
"""A separator in COMPOSE_FILE with no path on one of its sides."""
_PATTERN_SIGN = re.compile(r"[\\*?\[]")
"""What stands for itself in .gitignore only behind a backslash."""
ADDRESS = re.compile(r"(?:HOST|HOSTNAME|SERVERS?|ADDR|ADDRESS|ENDPOINT|BROKERS?|URLS?|URI)$", re.IGNORECASE)
"""Name endings of variables that hold an address."""
POSTGRES = re.compile(r"(?:^|/)(?:postgres|postgis|timescaledb|pgvector)", re.IGNORECASE)
SWITCH = re.compile(r"\A(?:true|false)\Z", re.IGNORECASE)
OPAQUE = 16
"""Minimum characters of a random text in the template that counts as a real value."""


@reader_check(
    "environment-wins",
    needs=(DOTENV, COMPOSE_CONFIG),
    ruled_out_by="no environment in the Compose files sets a variable of .env",
)
def environment_wins(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A Compose file sets a variable and overrides the .env."""
    workstation, file = workstation_of(snapshot), dotenv_of(snapshot)
    compose, config = compose_of(snapshot)
    if config.error:
        yield Uncertain("environment", (config.error,))
    application = workstation.checkout.application
    reported: set[str] = set()
    for service in compose.services:
        for setting in service.environment:
            name, binding = setting.variable, file.find(setting.variable)
            is_secret = workstation.is_secret(name) or workstation.key_of(name) is not None
            if name in reported or binding is None or (service != application and not is_secret):
                continue
            if binding.for_compose and _overrides(workstation, service, setting, binding.for_compose, compose):
                reported.add(name)
                where = _file_of(compose, name)
                fact = f"{where} sets {name} for {service.name} to another value than the .env"
                if service.env_file_names is None or service.extends or service.mounts_checkout:
                    fact = f"{fact}: it overrides env_file."
                    remedy = Remedy(f"Take {name} out of environment of {service.name} in {where}, or out of the .env.")
                else:
                    # Without it the service would have no value at all.
                    fact = f"{fact}, which the service gets by its environment alone."
                    remedy = Remedy(f"Set {name} to ${{{name}}} in environment of {service.name} in {where}.")
                # An override file is a developer's own, and meant to differ.
                mild: Severity = "warning" if where == compose.files[0].name else "info"
                yield Evidence(name, (fact,), remedy, severity="error" if is_secret else mild)


@reader_check("second-dotenv", ruled_out_by="no file that is read after .env has another value for a variable of it")
def second_dotenv(snapshot: Snapshot) -> Iterable[Evidence]:
    """A second file of variables overrides the .env."""
    workstation, file = workstation_of(snapshot), dotenv_of(snapshot)
    for other in workstation.overriding_files:
        for second in other.bindings:
            binding, value = file.find(second.name), second.value
            # A file of this name is meant to differ, and an empty line to be filled.
            is_empty = is_blank(binding.for_python if binding else None)
            is_meant = other.path.name.endswith(".local") or is_empty
            own: Severity | None = "info" if is_meant else None
            if binding and binding.for_python and value and not value.same_as(binding.for_python):
                fact = f"{other.path}, line {second.line}, also sets {second.name}, and is read after the .env."
                # The empty line is the one to go: the other has the value.
                others = "" if is_empty else f"{other.path}, or out of "
                remedy = Remedy(f"Take {second.name} out of {others}{workstation.path}.")
                severity: Severity = (
                    "error" if workstation.is_secret(second.name) or second.name == ENVIRONMENT else "warning"
                )
                yield Evidence(second.name, (fact,), remedy, severity=own or severity)


@reader_check(
    "compose-refused",
    needs=(DOTENV, COMPOSE_FILE),
    ruled_out_by="docker compose config accepts the Compose files, where it is installed",
)
def compose_refused(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Docker Compose rejects the Compose files with this .env."""
    workstation, file = workstation_of(snapshot), dotenv_of(snapshot)
    if workstation.checkout.is_compose_missing:
        remedy = Remedy(f"Write the path of a compose file into COMPOSE_FILE in {file.path}, or take it out.")
        if file.find("COMPOSE_FILE") is None or "COMPOSE_FILE" in _in_shell(workstation):
            remedy = _unset("COMPOSE_FILE")
        yield Evidence("COMPOSE_FILE", (workstation.checkout.without_compose,), remedy)
        return
    compose, config = compose_of(snapshot)
    # Other checks report a required variable that is missing.
    is_explained = (
        bool(file.compose_kind)
        or bool(workstation.missing_env_files)
        or any(each is None or is_blank(each.for_compose) for each in map(file.find, compose.required))
    )
    named = None if "COMPOSE_FILE" in _in_shell(workstation) else file.find("COMPOSE_FILE")
    if config.error and named and is_blank(named.value):
        # Another check reports what it refers to in vain.
        if not named.is_unset:
            fact = f"{named.name} is empty, so that Docker Compose takes the folder for a compose file."
            yield Evidence(named.name, (fact,), Remedy(f"Take {named.name} out of {file.path}."))
    elif IS_FOLDER in config.error and named and named.value and named.value.matches(_WITHOUT_PATH):
        fact = f"{named.name} has a separator without a path, so that Docker Compose takes the folder for one."
        remedy = Remedy(f"Take that separator out of {named.name} in line {named.line} of {file.path}.")
        yield Evidence(named.name, (fact,), remedy)
    elif config.error and not is_explained:
        remedy = Remedy(config.remedy or workstation.compose_command("config", "--quiet"))
        yield Evidence(compose.files[0].name, (config.error,), remedy)
    for source in config.mounted_sources:
        if source.exists is None:
            fact = f"{source.label} is the file {source.path}, in a folder that you may not enter."
            yield Uncertain(source.label, (fact,))
        elif source.path and not source.exists:
            fact = f"{source.label} is the file {source.path}, which does not exist: the service does not start."
            remedy = Remedy(
                f"Create {source.path} with the content of {source.label}, and let git ignore a secret's file."
            )
            yield Evidence(source.label, (fact,), remedy)
        elif not source.exists and file.find(source.variable) is None:
            fact = f"{source.label} is the variable {source.variable}, which is not set: docker compose up fails."
            remedy = Remedy(f"Write {source.variable}= and the value into {file.path}.")
            yield Evidence(source.label, (fact,), remedy)


@check(
    "compose-profile",
    needs=(DOTENV, COMPOSE_CONFIG),
    severity="info",
    looks_like=("dotenv-not-read",),
    ruled_out_by="docker compose config has the service that runs the application",
)
def compose_profile(snapshot: Snapshot) -> Iterable[Evidence]:
    """docker compose up does not start the application, whose profile is not active."""
    workstation = workstation_of(snapshot)
    service = workstation.checkout.application
    _, config = compose_of(snapshot)
    if service and service.profiles and not config.error and service.name not in config.environment:
        names = ", ".join(service.profiles)
        facts = (
            f"Service {service.name} has the profile {names}, which is not active: docker compose up leaves it out.",
        )
        profile = service.profiles[0]
        line = f"write COMPOSE_PROFILES={profile} into {workstation.path}"
        if dotenv_of(snapshot).find("COMPOSE_PROFILES"):
            line = f"add {profile} to COMPOSE_PROFILES in {workstation.path}"
        up = workstation.compose_command("--profile", profile, "up", "-d")
        yield Evidence(service.name, facts, Remedy(f"Start it once by `{up}`, or {line}."))


@reader_check(
    "compose-unset",
    needs=(DOTENV, COMPOSE_CONFIG),
    severity="info",
    ruled_out_by="every variable that the Compose files use has a value",
)
def compose_unset(snapshot: Snapshot) -> Iterable[Evidence]:
    """A Compose file uses a variable that has no value."""
    compose, config = compose_of(snapshot)
    for name in compose.interpolated:
        if name in config.unset:
            fact = f"docker compose config: {name} is not set: Docker Compose inserts an empty string."
            remedy = Remedy(f"Write {name}= and a value into {workstation_of(snapshot).path}, if it needs one.")
            yield Evidence(name, (fact,), remedy)


@reader_check("shell-wins", severity="warning", ruled_out_by="the shell sets no variable of .env to another value")
def shell_wins(snapshot: Snapshot) -> Iterable[Evidence]:
    """The shell sets a variable and overrides the .env."""
    workstation = workstation_of(snapshot)
    compose, settings = workstation.checkout.compose, workstation.checkout.settings
    used = {*(workstation.checkout.reads if settings.variables_win else ()), *(compose.interpolated if compose else ())}
    # Where a secret manager's program has resolved a reference, that is meant.
    references = {name for name in workstation.shell if workstation.is_reference(name, workstation.value(name))}
    for name in sorted(_in_shell(workstation) & used - references):
        fact = f"{name} is set in this shell's environment to another value than in the .env."
        yield Evidence(name, (fact,), _unset(name))


def _unset(variable: str) -> Remedy:
    unset, in_fish = unset_commands(variable)
    return Remedy(unset, command_needs=f"In fish: {in_fish}")


@check(
    "committed", needs=(WORKSTATION,), looks_like=("dotenv-exposed",), ruled_out_by="git ignores .env and never had it"
)
def committed(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The .env or a value of it is in git, was once, or will be with the next git add."""
    workstation = workstation_of(snapshot)
    git, path, history = _status_in_git(workstation), workstation.path, workstation.history
    own_paths = _own_paths(workstation)
    in_use = _values_in_history(snapshot)
    in_own_files = [(name, location) for name, location in in_use if location.path in own_paths]
    exposures = list(_exposures(workstation, git, bool(in_own_files)))
    facts = [*(fact for fact, _ in exposures), *_values_in_own_files(workstation, git, in_own_files)]
    if facts:
        is_exposed = git.tracked or git.ignored is False or bool(workstation.published_files)
        severity: Severity = "error" if in_own_files else "warning" if is_exposed else "info"
        ends = Remedy(" && ".join(end for _, end in exposures))
        yield Evidence(path.name, tuple(facts), ends, severity=severity)
    elsewhere = grouped((other.path, (name, other)) for name, other in in_use if other.path not in own_paths)
    for other_path, values in elsewhere.items():
        yield _values_in_another_file(workstation, other_path, values)
    for obstacle in dict.fromkeys(filter(None, (git.obstacle, history.obstacle if history else ""))):
        yield Uncertain(path.name, (f"git could not answer everything: {obstacle}",))


def _own_paths(workstation: Workstation) -> set[str]:
    """The paths of the .env, and of other files called so that git has."""
    root = workstation.checkout.root
    return {workstation.path.name, *(each.relative_to(root).as_posix() for each in workstation.published_files)}


def _status_in_git(workstation: Workstation) -> GitStatus:
    """What git has of the .env, apart from encrypted files, which may be committed."""
    git = workstation.git
    if _is_encrypted_in_git(workstation):
        return replace(git, tracked=False, ignored=True)
    return git


def _plain_commits(workstation: Workstation) -> tuple[str, ...]:
    """The commits that touch the .env; none where each version of it is encrypted."""
    history = workstation.history
    return () if history and workstation.path.name in history.encrypted else workstation.commits


def _exposures(workstation: Workstation, git: GitStatus, has_values: bool) -> Iterator[tuple[str, str]]:
    """Each way in which git has the .env or will have it, with the command that ends it."""
    path, root = workstation.path, workstation.checkout.root
    if git.tracked:
        untrack, template = command("git", "-C", root, "rm", "--cached", path.name), workstation.checkout.template
        if template and template.file.name == path.name and not has_values:
            # Without it, others would have no template.
            show = command("git", "-C", root, "show", f"HEAD:./{path.name}")
            untrack = f"{show} > {command(root / '.env.example')} && {untrack}"
        yield "git ls-files: it is tracked, so each commit publishes it.", untrack
    if git.ignored is False:
        yield "git check-ignore: it is not ignored.", _ignore(root, path.name)
    if commits := _plain_commits(workstation):
        yield f"git log: it is in the history, last in {commits[0]}: every clone has its values.", _log(root, path)
    if git.stashes:
        # The numbers behind a stash move up when it is dropped.
        drops = (command("git", "-C", root, "stash", "drop", each) for each in reversed(git.stashes))
        yield f"git stash list: {', '.join(git.stashes)} has it, which no clone gets.", " && ".join(drops)
    for other in workstation.published_files:
        history, untrack = workstation.history, command("git", "-C", root, "rm", "--cached", other)
        is_tracked = history is None or other.relative_to(root).as_posix() in history.tracked
        yield f"git also has {other}, which holds values too.", untrack if is_tracked else _log(root, other)


def _log(root: Path, file: Path) -> str:
    """The command that lists the commits that touch a file."""
    return command("git", "-C", root, "log", "--all", "--full-history", "--oneline", "--", file.relative_to(root))


def _ignore(root: Path, rule: str) -> str:
    """The command that adds a rule to .gitignore, whose last line may lack a line ending."""
    line = command("printf", r"\n%s\n", rule)
    return f"{line} >> {command(root / '.gitignore')}"


def _values_in_own_files(
    workstation: Workstation, git: GitStatus, values: Sequence[tuple[str, Location]]
) -> Iterator[str]:
    """Which current values git's versions of the .env have, in sentences."""
    history = workstation.history
    yield from _say_where(workstation, values)
    if any(location.commit for _, location in values):
        yield "First give every secret in it a new value; only then rewrite the history."
    elif not values and (_plain_commits(workstation) or git.tracked) and history and not history.obstacle:
        yield "Its history has no secret value that is in use."


def _values_in_another_file(workstation: Workstation, path: str, values: Sequence[tuple[str, Location]]) -> Evidence:
    root, facts = workstation.checkout.root, (*_say_where(workstation, values),)
    if all(location.is_untracked for _, location in values):
        rule = _PATTERN_SIGN.sub(r"\\\g<0>", f"/{path}")
        return Evidence(path, facts, Remedy(_ignore(root, rule)), severity="warning")
    names = [name for name, _ in values]
    addresses = [name for name in names if _are_addresses(workstation, (name,))]
    others = [name for name in names if name not in addresses]
    new = [f"Give {', '.join(others)} a new value"] if others else []
    if addresses:
        # What the address leads to has the password too.
        login = f"Change the password of the login in {' and '.join(addresses)}"
        new.append(f"{login}, write the new one into {workstation.path}")
    untrack = command("git", "-C", root, "rm", "--cached", path)
    return Evidence(path, facts, Remedy(f"{'. '.join(new)}, and untrack the file with `{untrack}` then."))


def _say_where(workstation: Workstation, values: Iterable[tuple[str, Location]]) -> Iterator[str]:
    return (f"The current {_value_of(workstation, name)} is in {location.text}." for name, location in values)


def _value_of(workstation: Workstation, *names: str) -> str:
    """What is looked for of some variables, in words: their value, or of addresses the password in them."""
    return f"{'password in' if _are_addresses(workstation, names) else 'value of'} {' and '.join(names)}"


def _are_addresses(workstation: Workstation, names: Iterable[str]) -> bool:
    return {*names} <= {name for name, _ in workstation.address_passwords}


def _is_encrypted_in_git(workstation: Workstation) -> bool:
    """Whether git has the .env encrypted alone, and the next commit changes nothing about that."""
    history, file = workstation.history, workstation.dotenv
    if history is None or file is None or file.path.name not in history.encrypted:
        return False
    values = [(each.name, each.value) for each in file.bindings]
    secrets = (value for name, value in values if value and (workstation.is_secret(name) or value.matches(LOGIN)))
    has_plain = any(map(is_value, secrets))
    return file.path.name in history.encrypted_by_git or not has_plain


@once
def _values_in_history(snapshot: Snapshot) -> tuple[tuple[str, Location], ...]:
    """The secret values in use here and in other environments that git holds, each with one place in each file."""
    workstation = workstation_of(snapshot)
    find = workstation.history.find if workstation.history else lambda _: ()
    issued = [(name, location) for name, value in workstation.issued_values for location in find(value)]
    in_files = dict[tuple[str, str], tuple[str, Location]]()
    for name, password in workstation.address_passwords:
        locations = find(password)
        # Many a file has a password such as postgres.
        if locations and _is_private(snapshot, name, password):
            for each in locations:
                # A list of addresses may have several.
                in_files.setdefault((name, each.path), (name, each))
    published = workstation.shared_values.published if workstation.shared_values else ()
    return (*issued, *in_files.values(), *published)


@check(
    "value-tracked",
    looks_like=("dotenv-exposed",),
    ruled_out_by="git grep finds no secret value of .env in a tracked file of its folder or below",
)
def value_tracked(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A secret value is in a file that git tracks."""
    workstation = workstation_of(snapshot)
    tracked, template = workstation.tracked, workstation.checkout.template
    # Other checks report these.
    own_paths = _own_paths(workstation) | {template.file.name if template else ""}
    reported = {(name, location.path) for name, location in _values_in_history(snapshot)}
    found = grouped(
        (each.name, each)
        for each in (tracked.found if tracked else ())
        if each.path not in own_paths and (each.name, each.path) not in reported
    )
    issued = [*workstation.issued_values, *workstation.address_passwords] if found else []
    for name, places in found.items():
        values = [value for variable, value in issued if variable == name]
        same = [(other, value) for other, value in issued if any(map(value.same_as, values))]
        if any(_is_private(snapshot, other, value) for other, value in same):
            names = (*dict.fromkeys(other for other, _ in same),)
            yield Evidence(
                name, (*_say_lines(workstation, places, names),), _renew_and_take_out(workstation, names, places)
            )
    if limits := tracked.limits if tracked else (*filter(None, (workstation.git.obstacle,)),):
        yield Uncertain("tracked files", limits)


def _say_lines(workstation: Workstation, places: Sequence[TrackedValue[str]], names: Sequence[str]) -> Iterator[str]:
    """Where the value of some variables is in tracked files, in sentences."""
    for each in places[:FILES_NAMED]:
        where = []
        if each.lines:
            where.append(f"line{'s' if each.lines[1:] else ''} {listed([*map(str, each.lines)], FILES_NAMED)}")
        if each.is_committed:
            where.append("the last commit")
        elif each.is_staged:
            where.append("what is staged")
        yield f"git grep: {each.path} has the current {_value_of(workstation, *names)} in {' and in '.join(where)}."
    if others := places[FILES_NAMED:]:
        verb = "has" if len(others) == 1 else "have"
        yield f"{counted(len(others), 'more tracked file')} {verb} it."


def _renew_and_take_out(workstation: Workstation, names: Sequence[str], places: Sequence[TrackedValue[str]]) -> Remedy:
    """Give variables a new value, where a commit has the old one, and take that out of files."""
    where = listed([each.path for each in places if each.lines or each.is_staged], FILES_NAMED)
    if not any(each.is_committed for each in places):
        stage = ", and stage that," if any(each.is_staged for each in places) else ""
        return Remedy(f"Take it out of {where}{stage} before the next commit.")
    new = f"Give {' and '.join(names)} a new value{' each' if names[1:] else ''}."
    if _are_addresses(workstation, names):
        # What the address leads to has the password too.
        there = f"{' and '.join(names)} of {workstation.path}"
        new = f"Change the password of that login, and write the new one into {there}."
    elif len(names) == 1 and workstation.binding(names[0]):
        new = renew(workstation, names[0], workstation.path).command
    issued = any(key and key.obtain_from for key in map(workstation.key_of, names))
    revoke = " Have the old one revoked where it was issued." if issued else ""
    if not where:
        return Remedy(f"{new}{revoke} git's history keeps the old one.")
    return Remedy(f"{new}{revoke} Then take the old one out of {where}: git's history keeps it.")


def _is_private(snapshot: Snapshot, name: str, value: Masked) -> bool:
    """Whether a value is no stand-in, public, or in the template, nor as weak as what many files have by chance."""
    workstation = workstation_of(snapshot)
    key = workstation.key_of(name) if workstation.is_secret(name) else None
    texts = [each.value for each in workstation.checkout.template_entries]
    # The template may have an address, in which the password is escaped or in the query.
    addresses = "\n".join(text for text in texts if "://" in text)
    in_addresses = ValueSearch(encoded=[(name, value)]).find(addresses.encode())
    if is_stand_in(value, name, key) or any(map(value.same_as, texts)) or in_addresses:
        return False
    return not (key is None and is_public(name, value)) and not is_too_guessable(value, key, likely_words(snapshot))


@check(
    "template-value",
    needs=(WORKSTATION,),
    severity="warning",
    looks_like=("dotenv-exposed",),
    ruled_out_by="the template has nothing that looks like a real value",
)
def template_value(snapshot: Snapshot) -> Iterable[Evidence]:
    """The template holds what looks like a real value."""
    workstation = workstation_of(snapshot)
    template = workstation.checkout.template
    for entry in template.entries if template else ():
        if not workstation.is_secret(entry.name) or len(entry.value) < OPAQUE:
            continue
        value, key = Masked(entry.value, entry.name), workstation.key_of(entry.name)
        parts = secret_parts(value, entry.name, key)
        is_real = not is_stand_in(value, entry.name, key) and any(map(_looks_real, parts))
        if template and is_real:
            fact = f"{template.file.name}, line {entry.line}: {entry.name} has no placeholder."
            remedy = Remedy(f"Write a placeholder there, and give {entry.name} a new value everywhere it is used.")
            yield Evidence(entry.name, (fact,), remedy)


def _looks_real(value: Masked) -> bool:
    # A program that a secret manager starts gets the value, which the template does not have.
    is_other = any(map(value.matches, (REFERENCE, CIPHERTEXT)))
    return is_value(value) and not is_other and digits_of_guesses(value) > OPAQUE


@check(
    "compose-up",
    needs=(STARTED,),
    looks_like=("dotenv-not-read", "dotenv-other-value"),
    ruled_out_by="docker compose up ends with exit code 0",
    because_of=("start-refused", "pg-volume", "compose-refused"),
)
def compose_up(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """docker compose up did not start the application"""
    workstation = workstation_of(snapshot)
    if workstation.started is False:
        up = workstation.compose_command("up")
        yield Evidence("docker compose up", (workstation.start_problem,), Remedy(workstation.start_remedy or up))
    elif workstation.start_problem:
        yield Uncertain("docker compose up", (workstation.start_problem,))


@reader_check("pg-volume", needs=(START_LOG,), ruled_out_by="the local database accepts the password in .env")
def pg_volume(snapshot: Snapshot) -> Iterable[Evidence]:
    """The database volume kept the password that it was created with."""
    workstation = workstation_of(snapshot)
    if any(problem.check == "pg-volume" for problem in workstation.start_messages or ()):
        facts = (
            'The log of the database says "Skipping initialization", and then that the password is refused.',
            "POSTGRES_PASSWORD only takes effect when the volume is empty.",
        )
        psql = 'psql -U "${POSTGRES_USER:-postgres}" -d "${POSTGRES_DB:-${POSTGRES_USER:-postgres}}" -c "\\password"'
        keep = workstation.compose_command("exec", _database(workstation), "sh", "-c", psql)
        anew = workstation.compose_command("down", "--volumes")
        way = f"To keep the data, run `{keep}`; to delete the data and start again, run `{anew}`."
        yield Evidence("POSTGRES_PASSWORD", facts, Remedy(way))


@check(
    "start-refused",
    needs=(START_LOG,),
    looks_like=("dotenv-not-read", "dotenv-other-value"),
    ruled_out_by="the log of the start names nothing that the application or its database refuses",
)
def start_refused(snapshot: Snapshot) -> Iterable[Evidence]:
    """The application did not start, or its database refused it."""
    workstation = workstation_of(snapshot)
    loaded = workstation.settings_result
    variables = {problem.variable for problem in loaded.messages} if loaded else set[str]()
    pg = any(problem.check == "pg-volume" for problem in workstation.start_messages or ())
    for problem in dict.fromkeys(workstation.start_messages or ()):
        if (
            problem.check == "pg-volume"
            or (pg and problem.check == "store-only")
            or (problem.variable and problem.variable in variables)
            or _is_of_file(workstation, problem)
        ):
            continue
        what = problem.variable or problem.service or "the log"
        fact = f"The log of {problem.service or 'the start'}: {what}: {problem.reason}."
        service = (problem.service,) if problem.service else ()
        look = workstation.compose_command("logs", *service)
        is_mine = problem.variable and workstation.binding(problem.variable)
        yield Evidence(what, (fact,), Remedy(f"Correct {problem.variable} in {workstation.path}." if is_mine else look))


def _database(workstation: Workstation) -> str:
    """The PostgreSQL service in Compose, by its image."""
    services = workstation.checkout.compose.services if workstation.checkout.compose else ()
    return next((each.name for each in services if POSTGRES.search(each.image)), "db")


def _is_of_file(workstation: Workstation, problem: StartProblem) -> bool:
    """Whether Docker Compose repeats, before every log, what other checks report of its files."""
    file, compose = workstation.dotenv, workstation.checkout.compose
    if problem.service or file is None:
        return False
    if problem.check == "required-empty":
        return compose is not None and problem.variable in compose.interpolated
    return bool(file.compose_kind) or (problem.check == "dollar" and bool(file.unset))


def _overrides(
    workstation: Workstation, service: ComposeService, setting: ServiceVariable, value: Masked, compose: Compose
) -> bool:
    """Whether a Compose file sets another value, which is not the address of one of its services."""
    used = {setting.variable, *setting.interpolates}
    if setting.value is None or used & misread_names(workstation) or _in_shell(workstation) & used:
        # A passed-through value is the same; other checks report the line, or the shell.
        return False
    default = re.compile(rf"\A\$\{{{re.escape(setting.variable)}:?-[^{{}}]*\}}\Z")
    if is_blank(value) and _matches(setting.value, default):
        # The .env leaves the value to the file's default.
        return False
    config = workstation.compose_config
    real = config.environment.get(service.name, {}).get(setting.variable) if config else None
    # YAML may have written true for True.
    if (
        real is None
        or value.same_as(real, casefold=real.matches(SWITCH))
        or _is_service_address(workstation, setting, compose)
    ):
        return False
    group = setting.variable.partition("_")[0]
    near = [each for each in service.environment if each.variable.partition("_")[0] == group and each is not setting]
    # Where the server is a Compose service, its port and the like belong to it.
    return workstation.is_secret(setting.variable) or not any(
        _is_service_address(workstation, each, compose) for each in near
    )


def _is_service_address(workstation: Workstation, setting: ServiceVariable, compose: Compose) -> bool:
    """Whether a value is the address of a Compose service, which differs from outside."""
    hosts = "|".join(map(re.escape, sorted(compose.hosts)))
    bare = not workstation.is_secret(setting.variable) and ADDRESS.search(setting.variable)
    before = r"(?:://|@|\A|:?-)" if bare else r"(?:://|@)(?:\$\{\w+:?-)?"
    address = re.compile(rf"{before}(?:{hosts})(?=[:/?}},]|\Z)")
    return setting.value is not None and _matches(setting.value, address)


def _matches(value: Masked | str, pattern: re.Pattern[str]) -> bool:
    return value.matches(pattern) if isinstance(value, Masked) else bool(pattern.search(value))


def _file_of(compose: Compose, variable: str) -> str:
    """The name of the last Compose file that sets a variable, by its text."""
    entry = re.compile(rf"^\s*(?:-\s*)?[\"']?{re.escape(variable)}[\"']?\s*[:=]", re.MULTILINE)
    return next((file.name for file in reversed(compose.files) if entry.search(file.text)), compose.files[0].name)


def _in_shell(workstation: Workstation) -> set[str]:
    """The variables that the shell has with another value than the .env."""
    values = ((name, workstation.value(name), in_shell) for name, in_shell in workstation.shell.items())
    return {name for name, in_dotenv, in_shell in values if in_dotenv is not None and not in_dotenv.same_as(in_shell)}
