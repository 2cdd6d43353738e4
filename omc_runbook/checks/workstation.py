"""Faults of what is around a .env: git, the template, compose, the shell, and what a start says."""

from __future__ import annotations

import re
from collections.abc import Iterable

from omc_runbook.checks.check import COMPOSE, COMPOSED, DOTENV, SAID, STARTED, WORKSTATION, Doubt, Evidence, family
from omc_runbook.checks.dotenv import place_of
from omc_runbook.checks.dotenv_quoting import spoilt
from omc_runbook.checks.local import ENVIRONMENT
from omc_runbook.masking.strength import digits_of_guesses
from omc_runbook.masking.value import Masked
from omc_runbook.messages.startlog import Told
from omc_runbook.model.findings import Remedy, Severity
from omc_runbook.model.shell import command
from omc_runbook.repository.compose import Compose, ComposeService, ServiceVariable
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.workstation import Workstation, is_blank, is_value

check = family("local")

ADDRESS = re.compile(r"(?:HOST|HOSTNAME|SERVERS?|ADDR|ADDRESS|ENDPOINT|BROKERS?|URLS?|URI)$", re.IGNORECASE)
"""How a variable's name ends that says where something is reached."""
POSTGRES = re.compile(r"(?:^|/)(?:postgres|postgis|timescaledb|pgvector)", re.IGNORECASE)
SWITCH = re.compile(r"\A(?:true|false)\Z", re.IGNORECASE)
OPAQUE = 16
"""Characters from which on a text in the template that nobody can guess is taken for a value."""


@check("environment-wins", DOTENV, COMPOSED)
def environment_wins(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """A compose file sets a variable itself, which beats the .env"""
    place = place_of(snapshot)
    if place.compose_config and place.compose_config.error:
        yield Doubt("environment", (place.compose_config.error,))
    compose = place.checkout.compose
    application = compose.application() if compose else None
    told: set[str] = set()
    for service in compose.services if compose else ():
        for setting in service.environment:
            name, mine = setting.variable, place.dotenv.find(setting.variable) if place.dotenv else None
            is_secret = place.is_secret(name) or place.key_of(name) is not None
            if name in told or mine is None or (service != application and not is_secret):
                continue
            if compose and mine.for_compose and _beats(place, service, setting, mine.for_compose, compose):
                told.add(name)
                where = _file_of(compose, name)
                fact = f"{where} sets {name} for {service.name} to another value than the .env: it beats env_file."
                remedy = Remedy(f"Take {name} out of environment of {service.name} in {where}, or out of the .env.")
                # An override is a developer's own, and meant to be other than what serves everybody.
                mild: Severity = "warning" if where == compose.files[0].name else "info"
                yield Evidence(name, (fact,), remedy, severity="error" if is_secret else mild)


@check("second-dotenv", DOTENV)
def second_dotenv(snapshot: Snapshot) -> Iterable[Evidence]:
    """Another file of variables is read after the .env, and has another value"""
    place = place_of(snapshot)
    for other in place.overriding_files:
        # A file of this name is there to have other values.
        own: Severity | None = "info" if other.path.name.endswith(".local") else None
        for theirs in other.bindings:
            mine = place.dotenv.find(theirs.name) if place.dotenv else None
            value = theirs.for_python or theirs.for_compose
            if mine and mine.for_python and value and not value.same_as(mine.for_python):
                fact = f"{other.path}, line {theirs.line}, has {theirs.name} as well, and is read after the .env."
                remedy = Remedy(f"Take {theirs.name} out of {other.path}, or out of {place.path}.")
                severity: Severity = (
                    "error" if place.is_secret(theirs.name) or theirs.name == ENVIRONMENT else "warning"
                )
                yield Evidence(theirs.name, (fact,), remedy, severity=own or severity)


@check("compose-refused", DOTENV, COMPOSE)
def compose_refused(snapshot: Snapshot) -> Iterable[Evidence]:
    """Docker Compose does not take the compose files with this .env"""
    place = place_of(snapshot)
    file, compose = place.dotenv, place.checkout.compose
    refused = place.compose_config.error if place.compose_config else ""
    # A variable that it insists on, and does not find under this very name, is told of by other checks.
    found = [file.find(name) for name in compose.required] if file and compose else []
    told = (
        bool(file and file.compose_kind)
        or bool(place.missing_env_files)
        or any(each is None or is_blank(each.for_compose) for each in found)
    )
    if refused and compose and not told:
        yield Evidence(
            compose.files[0].name,
            (refused,),
            Remedy(command("docker", "compose", "--project-directory", place.checkout.root, "config", "--quiet")),
        )


@check("compose-unset", DOTENV, COMPOSED, severity="info")
def compose_unset(snapshot: Snapshot) -> Iterable[Evidence]:
    """A compose file puts in a variable that has no value"""
    place = place_of(snapshot)
    compose, unset = place.checkout.compose, place.compose_config.unset if place.compose_config else frozenset()
    for name in compose.interpolated if compose else ():
        if name in unset:
            fact = f"docker compose config: {name} is not set, so that compose puts an empty text there."
            yield Evidence(name, (fact,), Remedy(f"Write {name}= and a value into {place.path}, if it needs one."))


@check("shell-wins", DOTENV, severity="warning")
def shell_wins(snapshot: Snapshot) -> Iterable[Evidence]:
    """The shell has a variable of its own, which beats the .env"""
    place = place_of(snapshot)
    used = {*place.checkout.reads, *(place.checkout.compose.interpolated if place.checkout.compose else ())}
    for name in sorted(_in_shell(place) & used):
        fact = f"{name} is set in the environment that this runs in, to another value than the .env has."
        yield Evidence(name, (fact,), Remedy(command("unset", name)))


@check("committed", WORKSTATION)
def committed(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """The .env is in git, was once, or would be taken along by the next git add"""
    place = place_of(snapshot)
    git, path, root = place.git, place.path, place.checkout.root
    facts, commands = [], []
    if git.tracked:
        facts.append("git ls-files: it is tracked, so that each commit publishes it.")
        commands.append(command("git", "-C", root, "rm", "--cached", path.name))
    if git.ignored is False:
        facts.append("git check-ignore: nothing ignores it.")
        # The file's last line may have no end, to which a rule would be added.
        rule = command("printf", r"\n%s\n", path.name)
        commands.append(f"{rule} >> {command(root / '.gitignore')}")
    if git.commits:
        facts.append(f"git log: it is in the history, last in {git.commits[0]}; whoever has a clone has its values.")
        facts.append("Give every secret in it a new value first; only then is a rewritten history worth its trouble.")
        commands.append(command("git", "-C", root, "log", "--all", "--full-history", "--oneline", "--", path.name))
    for other in place.published_files:
        facts.append(f"git has {other} as well, which holds values no less.")
        commands.append(command("git", "-C", root, "rm", "--cached", other))
    if facts:
        severity: Severity = "error" if git.tracked or git.commits or place.published_files else "warning"
        yield Evidence(path.name, tuple(facts), Remedy(" && ".join(commands)), severity=severity)
    if git.obstacle:
        yield Doubt(path.name, (f"git could not tell everything: {git.obstacle}",))


@check("template-value", WORKSTATION, severity="warning")
def template_value(snapshot: Snapshot) -> Iterable[Evidence]:
    """The template holds what looks like a real value, for everybody who has the repository"""
    place = place_of(snapshot)
    template = place.checkout.template
    for entry in template.entries if template else ():
        value = Masked(entry.value, entry.name) if place.is_secret(entry.name) and len(entry.value) >= OPAQUE else None
        if template and is_value(value) and value and digits_of_guesses(value) > OPAQUE:
            fact = f"{template.file.name}, line {entry.line}: {entry.name} has no placeholder."
            remedy = Remedy(f"Write a placeholder there, and give {entry.name} a new value wherever it is in use.")
            yield Evidence(entry.name, (fact,), remedy)


@check("compose-up", STARTED)
def compose_up(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """docker compose up did not start the application"""
    place = place_of(snapshot)
    if place.started is False:
        up = command("docker", "compose", "--project-directory", str(place.checkout.root), "up")
        yield Evidence("docker compose up", (place.start_problem,), Remedy(up))
    elif place.start_problem:
        yield Doubt("docker compose up", (place.start_problem,))


@check("pg-volume", SAID)
def pg_volume(snapshot: Snapshot) -> Iterable[Evidence]:
    """The database's volume kept the password that it was first started with"""
    if any(told.check == "pg-volume" for told in place_of(snapshot).start_messages or ()):
        facts = (
            'The log says "Skipping initialization" of the database, and then that the password is refused.',
            "POSTGRES_PASSWORD counts only where the volume is empty.",
        )
        psql = 'psql -U "${POSTGRES_USER:-postgres}" -d "${POSTGRES_DB:-${POSTGRES_USER:-postgres}}" -c "\\password"'
        keep = command("docker", "compose", "exec", _database(place_of(snapshot)), "sh", "-c", psql)
        way = f"{keep} to keep the data, or docker compose down --volumes to lose it and begin anew"
        yield Evidence("POSTGRES_PASSWORD", facts, Remedy(way))


@check("start-refused", SAID)
def start_refused(snapshot: Snapshot) -> Iterable[Evidence]:
    """The application did not start, or its database did not let it in"""
    place = place_of(snapshot)
    known = {told.variable for told in place.settings_result.messages} if place.settings_result else set()
    pg = any(told.check == "pg-volume" for told in place.start_messages or ())
    for told in dict.fromkeys(place.start_messages or ()):
        if (
            told.check == "pg-volume"
            or (pg and told.check == "store-only")
            or (told.variable and told.variable in known)
            or _is_of_file(place, told)
        ):
            continue
        what = told.variable or told.service or "the log"
        fact = f"The log of {told.service or 'the start'}: {what}: {told.reason}."
        service = (told.service,) if told.service else ()
        look = command("docker", "compose", "--project-directory", place.checkout.root, "logs", *service)
        is_mine = told.variable and place.binding(told.variable)
        yield Evidence(what, (fact,), Remedy(f"Correct {told.variable} in {place.path}." if is_mine else look))


def _database(place: Workstation) -> str:
    """The service of compose that is PostgreSQL, by its image."""
    services = place.checkout.compose.services if place.checkout.compose else ()
    return next((each.name for each in services if POSTGRES.search(each.image)), "db")


def _is_of_file(place: Workstation, told: Told) -> bool:
    """Whether compose says again, before every log, what is told of the .env and the compose files themselves."""
    file, compose = place.dotenv, place.checkout.compose
    if told.service or file is None:
        return False
    if told.check == "required-empty":
        return compose is not None and told.variable in compose.interpolated
    return bool(file.compose_kind) or (told.check == "dollar" and bool(file.unset))


def _beats(
    place: Workstation, service: ComposeService, setting: ServiceVariable, mine: Masked, compose: Compose
) -> bool:
    """Whether what a compose file sets is another value, and not where a service of compose is reached."""
    used = {setting.variable, *setting.interpolates}
    if setting.value is None or used & spoilt(place) or _in_shell(place) & used:
        # What is passed through is no other value, and what the line or the shell does to it is told of that.
        return False
    config = place.compose_config
    real = config.environment.get(service.name, {}).get(setting.variable) if config else None
    # YAML may have written true for True.
    if real is None or mine.same_as(real, casefold=real.matches(SWITCH)) or _is_reached(place, setting, compose):
        return False
    group = setting.variable.partition("_")[0]
    near = [each for each in service.environment if each.variable.partition("_")[0] == group and each is not setting]
    # Where a server is one of compose's own, its port and the like are those of that one.
    return place.is_secret(setting.variable) or not any(_is_reached(place, each, compose) for each in near)


def _is_reached(place: Workstation, setting: ServiceVariable, compose: Compose) -> bool:
    """Whether a value is an address within compose, which is another one than on the machine itself."""
    hosts = "|".join(map(re.escape, sorted(compose.hosts)))
    bare = not place.is_secret(setting.variable) and ADDRESS.search(setting.variable)
    before = r"(?:://|@|\A|:?-)" if bare else r"(?:://|@)(?:\$\{\w+:?-)?"
    address = re.compile(rf"{before}(?:{hosts})(?=[:/?}},]|\Z)")
    value = setting.value
    return value.matches(address) if isinstance(value, Masked) else bool(value and address.search(value))


def _file_of(compose: Compose, variable: str) -> str:
    """The name of the file that has the last word on a variable, by its text."""
    entry = re.compile(rf"^\s*(?:-\s*)?[\"']?{re.escape(variable)}[\"']?\s*[:=]", re.MULTILINE)
    return next((file.name for file in reversed(compose.files) if entry.search(file.text)), compose.files[0].name)


def _in_shell(place: Workstation) -> set[str]:
    """The variables that the shell has with another value than the .env."""
    values = ((name, place.value(name), theirs) for name, theirs in place.shell.items())
    return {name for name, mine, theirs in values if mine is not None and not mine.same_as(theirs)}


CHECKS = (
    environment_wins,
    second_dotenv,
    compose_refused,
    compose_unset,
    shell_wins,
    committed,
    template_value,
    compose_up,
    pg_volume,
    start_refused,
)
