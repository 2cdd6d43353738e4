"""A developer's workplace: the checkout, its .env as each program reads it, git, and what a start says of it."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from omc_runbook.masking.value import Masked
from omc_runbook.messages.startlog import StartProblem
from omc_runbook.model.catalogue import PLACEHOLDER, TEMPLATE_DEFAULT, Key, variable_of
from omc_runbook.model.secretive import is_secret
from omc_runbook.repository.checkout import Checkout
from omc_runbook.repository.compose_tree import MayLack
from omc_runbook.workstation import docker, git, settings_probe
from omc_runbook.workstation.docker import Config
from omc_runbook.workstation.dotenv import Binding, Dotenv, read_dotenv
from omc_runbook.workstation.git import Tracked
from omc_runbook.workstation.settings_probe import Loaded

DOTENV = ".env"
BACKEND = "backend"

NOTHING = re.compile(r"\A\s*(?:#(?:\s[^\n]*)?)?\Z")


@dataclass(frozen=True)
class Shared:
    """Which local values other environments have too: by variable, whose key; and why some could not be compared."""

    same: Mapping[str, str]
    unread: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()
    """The environments whose secret was read, or is known not to be there."""


@dataclass(frozen=True)
class Workplace:
    """Everything that was read of a developer's machine; values are masked."""

    checkout: Checkout
    keys: Mapping[str, Key]
    dotenv: Dotenv | None
    strays: tuple[Path, ...]
    """Files called .env where the guide does not have them."""
    unmet: tuple[Path, ...]
    """Files called .env elsewhere that compose insists on and that are not there."""
    tracked: Tracked
    loaded: Loaded | None
    """What Settings say to the .env; None where there is none to load."""
    composed: Config | None
    """What docker compose makes of the compose files with it; None where it was not asked."""
    shell: Mapping[str, Masked]
    """Variables of the .env that this process's environment has as well."""
    said: tuple[StartProblem, ...] | None = None
    """What the application and its database said when they were started; None where nobody started them."""
    started: bool | None = None
    """Whether docker compose up started them; None where it was not run, or that cannot be told."""
    start_problem: str = ""
    """Why it did not start them, or what of the start cannot be told."""
    shared: Shared | None = None
    """None where values were not compared with other environments'."""
    unshared: str = ""
    """Why they were not."""
    published: tuple[Path, ...] = ()
    """Those of the strays that git tracks, or has in its history; and what the .env leads to, where it is a link."""
    later: tuple[Dotenv, ...] = ()
    """Other files of variables that Settings or compose read after the .env, so that theirs count."""
    owner: str = ""
    """How the person is called who is signed in on this machine."""

    @property
    def path(self) -> Path:
        """Where the .env belongs: at the top of the checkout."""
        return self.checkout.root / DOTENV

    @property
    def looked_at(self) -> tuple[Path, ...]:
        """Where Settings looks for a .env; empty where it reads none, or that cannot be told."""
        if _is_looked_for(self.checkout, self.path):
            return (self.path,) if self.checkout.settings.env_files else ()
        if self.loaded and self.loaded.env_files:
            return tuple(path for path, _ in self.loaded.env_files)
        named = self.checkout.settings.env_files or ()
        return tuple((self.checkout.root / BACKEND / name).resolve() for name in named)

    @property
    def required(self) -> Mapping[str, str]:
        """The variables that have to have a value, each with who says so."""
        found: dict[str, str] = {}
        for field in self.checkout.settings.fields:
            if field.required:
                found[self.written_as(field.variables[0])] = "Settings has no default for it"
        for name, key in self.keys.items():
            if key.required and self.is_known(variable_of(name, self.keys)):
                found.setdefault(self.written_as(variable_of(name, self.keys)), "the catalogue has it as required")
        for name in self.checkout.compose.required if self.checkout.compose else ():
            found.setdefault(name, "compose refuses to start without it")
        return found

    def written_as(self, variable: str) -> str:
        """The variable of the .env that fills the same field of Settings; the same one where there is none."""
        field = self.checkout.settings.find(variable)
        return next((each for each in (field.variables if field else ()) if self.binding(each)), variable)

    def is_known(self, variable: str) -> bool:
        """Whether Settings or the template has the variable."""
        return variable in self.known

    @property
    def known(self) -> frozenset[str]:
        """The variables that Settings or the template has."""
        template = self.checkout.template
        return self.checkout.reads | {entry.name for entry in (template.entries if template else ())}

    def key_of(self, variable: str) -> Key | None:
        """What the catalogue says of a variable."""
        return next((key for name, key in self.keys.items() if variable_of(name, self.keys) == variable), None)

    def is_secret(self, variable: str) -> bool:
        """Whether a variable's value is nobody else's business: by the catalogue, else by its name."""
        return is_secret(variable, self.key_of(variable))

    def value(self, variable: str) -> Masked | None:
        """The value that the application gets from the .env, in whatever case its name is written."""
        found = self.binding(variable)
        return found.for_python if found else None

    def binding(self, variable: str) -> Binding | None:
        """The line of the .env that Settings takes for a variable."""
        if self.dotenv is None:
            return None
        exact = self.dotenv.find(variable)
        others = (each for each in reversed(self.dotenv.bindings) if each.name.casefold() == variable.casefold())
        return exact or (None if self.checkout.settings.case_sensitive else next(others, None))


def is_value(value: Masked | None) -> bool:
    """Whether there is a value: neither nothing, nor a placeholder, nor the template's default."""
    if value is None or is_blank(value):
        return False
    return not value.matches(PLACEHOLDER) and not value.matches(TEMPLATE_DEFAULT)


def is_text_of_value(text: str) -> bool:
    """Whether a text of the template or of a .env is a value, and neither a placeholder nor the default."""
    return not NOTHING.match(text) and not PLACEHOLDER.match(text) and not TEMPLATE_DEFAULT.match(text)


def is_blank(value: Masked | None) -> bool:
    """Whether there is nothing, blanks alone, or a comment that every reader takes for the value."""
    return value is None or value.matches(NOTHING)


def look(checkout: Checkout, keys: Mapping[str, Key], deeply: bool = True) -> Workplace:
    """Read a developer's machine as it is: nothing is written, started or sent anywhere.

    `deeply` also loads Settings in a process of its own. Raises UsageError for a .env that is no readable file, and
    CouldNotLook where docker compose does not answer.
    """
    path, public = checkout.root / DOTENV, [*public_texts(checkout, keys)]
    program = docker.find_compose() if checkout.compose and path.exists() else None
    dotenv = read_dotenv(path, os.environ, public, program)
    others = (read_dotenv(each, os.environ, public) for each in dict.fromkeys(_read_later(checkout, path)))
    later = tuple(each for each in others if dotenv and each)
    with ThreadPoolExecutor(3, "workplace") as pool:
        tracked = pool.submit(git.look, checkout.root, DOTENV)
        given = path if _is_looked_for(checkout, path) else None
        names = [binding.name for binding in dotenv.bindings] if dotenv else []
        loaded = (
            pool.submit(settings_probe.load_settings, checkout.root, given, names=names) if dotenv and deeply else None
        )
        composed = pool.submit(docker.config, program, checkout.root) if dotenv and program else None
    strays = tuple(_strays(checkout, path))
    return Workplace(
        checkout=checkout,
        keys=keys,
        dotenv=dotenv,
        later=later,
        strays=strays,
        unmet=tuple(dict.fromkeys(_unmet(checkout))),
        published=tuple(each for each in (*strays, *_target(dotenv)) if _is_published(checkout.root, each)),
        tracked=tracked.result(),
        loaded=loaded.result() if loaded else None,
        composed=composed.result() if composed else None,
        shell=_shell(dotenv),
        owner=pwd.getpwuid(os.getuid()).pw_name,
    )


def public_texts(checkout: Checkout, keys: Mapping[str, Key]) -> Iterator[str]:
    """The template's values that are no secret: who reads the repository has them."""
    for entry in checkout.template.entries if checkout.template else ():
        key = next((key for name, key in keys.items() if variable_of(name, keys) == entry.name), None)
        if not is_secret(entry.name, key) or PLACEHOLDER.match(entry.value) or TEMPLATE_DEFAULT.match(entry.value):
            yield entry.value


def _is_looked_for(checkout: Checkout, path: Path) -> bool:
    """Whether Settings reads the .env at the top, started there or in backend/, or is given it by whoever starts it."""
    names = checkout.settings.env_files
    if names is None:
        return False
    places = {(folder / name).resolve() for folder in (checkout.root / BACKEND, checkout.root) for name in names}
    return not names or path.resolve() in places or path in places


def _read_later(checkout: Checkout, path: Path) -> Iterator[Path]:
    service = checkout.compose.application() if checkout.compose else None
    read = ((BACKEND, checkout.settings.env_files or ()), ("", service.env_files if service else ()))
    for folder, names in read:
        paths = [Path(os.path.normpath(checkout.root / folder / name)) for name in names if "$" not in name]
        yield from paths[paths.index(path) + 1 :] if path in paths else ()


def _strays(checkout: Checkout, path: Path) -> Iterator[Path]:
    for folder in (checkout.root / BACKEND, checkout.root / BACKEND / "app", checkout.root.parent):
        other = folder / DOTENV
        # One further up is somebody else's, unless there is none here.
        if other.is_file() and (folder != checkout.root.parent or not path.exists()):
            yield other


def _unmet(checkout: Checkout) -> Iterator[Path]:
    for service in checkout.compose.services if checkout.compose else ():
        for name in service.env_files:
            path = Path(os.path.normpath(checkout.root / name))
            is_other = path.name == DOTENV and path.parent != checkout.root and not isinstance(name, MayLack)
            if is_other and "$" not in name and not path.exists():
                yield path


def _target(dotenv: Dotenv | None) -> tuple[Path, ...]:
    """What the .env leads to, where it is a link: the values are there."""
    return (dotenv.target,) if dotenv and dotenv.is_link else ()


def _is_published(root: Path, stray: Path) -> bool:
    if not stray.is_relative_to(root):
        return False
    found = git.look(root, stray.relative_to(root).as_posix())
    return found.tracked or bool(found.commits)


def _shell(dotenv: Dotenv | None) -> dict[str, Masked]:
    names = {binding.name for binding in dotenv.bindings} if dotenv else set()
    return {name: Masked(os.environ[name], name) for name in sorted(names & os.environ.keys())}
