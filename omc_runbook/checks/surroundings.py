"""Faults of what is around a .env: git, the template, compose, the shell, and what a start says."""

from __future__ import annotations

from collections.abc import Iterable

from omc_runbook.checks.check import DOTENV, SAID, WORKPLACE, Doubt, Evidence, family
from omc_runbook.checks.dotenv import place_of
from omc_runbook.finding import Remedy, Severity
from omc_runbook.local.workplace import Workplace, is_value
from omc_runbook.masking.strength import digits_of_guesses
from omc_runbook.masking.value import Masked
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.source.compose import Compose, Setting

check = family("local")

OPAQUE = 16
"""Characters from which on a text in the template that nobody can guess is taken for a value."""


@check("environment-wins", DOTENV)
def environment_wins(snapshot: Snapshot) -> Iterable[Evidence]:
    """A compose file sets a variable itself, which beats the .env"""
    place = place_of(snapshot)
    compose = place.checkout.compose
    service = compose.application() if compose else None
    if compose is None or service is None:
        return
    for setting in service.environment:
        mine = place.dotenv.find(setting.variable) if place.dotenv else None
        if mine and mine.for_compose and _beats(place, service.name, setting, mine.for_compose, compose):
            fact = (
                f"{compose.files[0].name} sets {setting.variable} for {service.name} to another value than the .env:"
                " environment beats env_file."
            )
            remedy = Remedy(f"Take {setting.variable} out of environment of {service.name}, or out of the .env.")
            secret = place.is_secret(setting.variable) or place.key_of(setting.variable) is not None
            yield Evidence(setting.variable, (fact,), remedy, severity="error" if secret else "warning")


@check("shell-wins", DOTENV, severity="warning")
def shell_wins(snapshot: Snapshot) -> Iterable[Evidence]:
    """The shell has a variable of its own, which beats the .env"""
    place = place_of(snapshot)
    used = {*place.checkout.reads, *(place.checkout.compose.interpolated if place.checkout.compose else ())}
    for name, value in place.shell.items():
        mine = place.value(name)
        if name in used and mine is not None and not mine.same_as(value):
            fact = f"{name} is set in the environment that this runs in, to another value than the .env has."
            yield Evidence(name, (fact,), Remedy(f"unset {name}"))


@check("committed", WORKPLACE)
def committed(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """The .env is in git, was once, or would be taken along by the next git add"""
    place = place_of(snapshot)
    git, path, root = place.tracked, place.path, place.checkout.root
    facts, commands = [], []
    if git.tracked:
        facts.append("git ls-files: it is tracked, so that each commit publishes it.")
        commands.append(f"git -C {root} rm --cached {path.name}")
    if git.ignored is False:
        facts.append("git check-ignore: nothing ignores it.")
        commands.append(f"echo {path.name} >> {root / '.gitignore'}")
    if git.commits:
        facts.append(f"git log: it is in the history, last in {git.commits[0]}; whoever has a clone has its values.")
        facts.append("Give every secret in it a new value first; only then is a rewritten history worth its trouble.")
        commands.append(f"git -C {root} log --all --full-history --oneline -- {path.name}")
    if facts:
        severity: Severity = "error" if git.tracked or git.commits else "warning"
        yield Evidence(path.name, tuple(facts), Remedy(" && ".join(commands)), severity=severity)
    if git.obstacle:
        yield Doubt(path.name, (f"git could not tell everything: {git.obstacle}",))


@check("template-value", WORKPLACE, severity="warning")
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


@check("pg-volume", SAID)
def pg_volume(snapshot: Snapshot) -> Iterable[Evidence]:
    """The database's volume kept the password that it was first started with"""
    if any(told.check == "pg-volume" for told in place_of(snapshot).said or ()):
        facts = (
            'The log says "Skipping initialization" of the database, and then that the password is refused.',
            "POSTGRES_PASSWORD counts only where the volume is empty.",
        )
        command = (
            'docker compose exec db sh -c \'psql -U "$POSTGRES_USER" -c "\\password"\' to keep the data,'
            " or docker compose down --volumes to lose it and begin anew"
        )
        yield Evidence("POSTGRES_PASSWORD", facts, Remedy(command))


@check("start-refused", SAID)
def start_refused(snapshot: Snapshot) -> Iterable[Evidence]:
    """The application did not start, or its database did not let it in"""
    place = place_of(snapshot)
    known = {told.variable for told in place.loaded.told} if place.loaded else set()
    pg = any(told.check == "pg-volume" for told in place.said or ())
    for told in dict.fromkeys(place.said or ()):
        if (
            told.check == "pg-volume"
            or (pg and told.check == "store-only")
            or (told.variable and told.variable in known)
        ):
            continue
        what = told.variable or told.service or "the log"
        yield Evidence(what, (f"The log of {told.service or 'the start'}: {what}: {told.reason}.",))


def _beats(place: Workplace, service: str, setting: Setting, mine: Masked, compose: Compose) -> bool:
    """Whether what a compose file sets is another value, and not the name by which a service of compose is reached."""
    if setting.value is None:
        return False
    if setting.interpolates:
        real = place.composed.environment.get(service, {}).get(setting.variable) if place.composed else None
        return real is not None and not real.same_as(mine)
    if mine.same_as(setting.value):
        return False
    hosts = {each.name for each in compose.services}
    text = setting.value if isinstance(setting.value, str) else ""
    host = text.partition("://")[2].rpartition("@")[2].partition("/")[0].partition(":")[0] or text
    return host not in hosts


CHECKS = (environment_wins, shell_wins, committed, template_value, pg_volume, start_refused)
