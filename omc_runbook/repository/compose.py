"""The compose files of a checkout, read as text and put together as Docker Compose does, without an engine."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omc_runbook.masking.public_values import COMMON
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import PLACEHOLDER, TEMPLATE_DEFAULT
from omc_runbook.model.secretive import is_secret
from omc_runbook.repository.compose_tree import based, included, merge, read_services, read_tree, texts
from omc_runbook.textfile.file import SourceFile, read_source

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    *("compose.override.yml", "compose.override.yaml"),
    *("docker-compose.override.yml", "docker-compose.override.yaml"),
)
"""Of these and of those above Compose takes the first that is there, whichever goes with which."""

# Go folds the case of two letters more than ASCII has: the long s and the sign for kelvin.
_VARIABLE = r"[A-Za-z_\u017f\u212a][A-Za-z0-9_\u017f\u212a]*"
_EXPANDED = re.compile(
    rf"\$(?:(?P<dollar>\$)|(?P<plain>{_VARIABLE})"
    rf"|\{{(?P<name>{_VARIABLE})(?:(?P<operator>:?[-+?])(?P<word>.*))?\}}|(?P<invalid>\{{))"
)
_URL_PASSWORD = re.compile(r"://[^/@\s:]*:([^/@\s]+)@")
_REFERENCE = re.compile(r"\$\{\w+(?::?[?+][^}]*|:?-)?\}|\$\w+")
_DEFAULT = re.compile(r"\$\{\w+:?[-+]([^}]*)\}")
MACHINE = "host.docker.internal"
"""How a container calls the machine that it runs on."""
_APPLICATIONS = ("backend", "app", "api", "web")
_CONTEXT = "backend"


@dataclass(frozen=True)
class Setting:
    """An entry of a service's `environment:`."""

    variable: str
    value: Masked | str | None
    """As written, masked where it looks secret; None where it is passed through from the shell or the .env."""
    interpolates: tuple[str, ...] = ()
    """The names of its ${…}."""


@dataclass(frozen=True)
class Service:
    """A service, with what an override makes of it."""

    name: str
    env_files: tuple[str, ...] = ()
    """Paths as written."""
    environment: tuple[Setting, ...] = ()
    image: str = ""
    context: str = ""
    """The folder that its image is built from."""
    extends: str = ""
    """Another file from which it takes over a service, where that could not be read."""
    has_mounted: bool = False
    """Whether it has the checkout, or its .env, as a volume."""
    names: tuple[str, ...] = ()
    """How else than by its name other services reach it."""


@dataclass(frozen=True)
class Compose:
    """The compose file, with its override where there is one."""

    files: tuple[SourceFile, ...]
    services: tuple[Service, ...]
    interpolated: tuple[str, ...]
    """Every name after a $ in a value of any file, each once."""
    required: tuple[str, ...]
    """The names without which Compose refuses to do anything: ${NAME?…}."""
    defaulted: tuple[str, ...]
    """The names that have a default: ${NAME-…}."""
    includes: bool = False
    """Whether it takes in other compose files that could not be read."""

    @property
    def used(self) -> frozenset[str]:
        """Every variable that a file fills in, or passes through from the .env to a service."""
        passed = (each.variable for service in self.services for each in service.environment if each.value is None)
        return frozenset((*self.interpolated, *passed))

    def find(self, name: str) -> Service | None:
        """The service of this name."""
        return next((service for service in self.services if service.name == name), None)

    @property
    def hosts(self) -> frozenset[str]:
        """The names under which its services are reached, and that of the machine itself."""
        return frozenset({name for each in self.services for name in (each.name, *each.names)} | {MACHINE})

    def application(self) -> Service | None:
        """The service that runs the backend: by this name, else by the folder it is built from, else by another."""
        if _CONTEXT in (service.name for service in self.services):
            return self.find(_CONTEXT)
        named = [service for service in map(self.find, _APPLICATIONS) if service]
        built = [each for each in (*named, *self.services) if _folder(each) == _CONTEXT]
        return next(iter(built or [each for each in named if _folder(each) in ("", ".")]), None)


def _folder(service: Service) -> str:
    return posixpath.normpath(service.context) if service.context else ""


def read_compose(repository: Path) -> Compose | None:
    """Read the compose files at the top of a checkout; None where there are none.

    Raises UsageError, in one sentence without any of its text, for a file that is not valid YAML or has no mapping.
    """
    names = (NAMES, OVERRIDES)
    found = [next(filter(None, (read_source(repository, name) for name in each)), None) for each in names]
    if found[0] is None:
        return None
    reading = _Reading(repository)
    services: dict[str, Any] = {}
    for file in filter(None, found):
        services = merge(services, reading.services(file))
    used = [found for tree in reading.trees for text in texts(tree) for found in find_references(text)]
    return Compose(
        files=tuple(reading.files),
        services=tuple(_service(name, body) for name, body in services.items()),
        interpolated=tuple(dict.fromkeys(name for name, _ in used)),
        required=tuple(dict.fromkeys(name for name, operator in used if operator.endswith("?"))),
        defaulted=tuple(dict.fromkeys(name for name, operator in used if operator.endswith("-"))),
        includes=reading.has_missed,
    )


class _Reading:
    """Compose files as they lead to one another: the files, what was taken of each, and whether one was missed."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self.files: list[SourceFile] = []
        self.trees: list[Any] = []
        self.has_missed = False

    def services(self, file: SourceFile, above: tuple[str, ...] = ()) -> dict[str, Any]:
        """The services of a file and of those that it includes, with paths from the top of the checkout."""
        tree, above, services = read_tree(file), (*above, file.name), dict[str, Any]()
        self._note(file, tree)
        for path in included(tree):
            other = self._find(file, path, above)
            self.has_missed = self.has_missed or other is None
            services = merge(services, self.services(other, above) if other else {})
        own = self._own(file, tree, above)
        # What an override takes away or puts in another's place is for whoever merges it.
        return merge(services, own) if services else own

    def _own(self, file: SourceFile, tree: Mapping[str, Any], above: tuple[str, ...]) -> dict[str, Any]:
        folder = posixpath.dirname(file.name)
        own = read_services(file, tree, lambda path, name: self._service(file, path, name, above))
        return {name: based(body, folder) for name, body in own.items()}

    def _service(self, file: SourceFile, path: str, name: str, above: tuple[str, ...]) -> Mapping[str, Any] | None:
        """A service of another file, with paths from the folder of the file that takes it over."""
        other = self._find(file, path, above)
        if other is None:
            return None
        tree = read_tree(other)
        body = self._own(other, tree, (*above, other.name)).get(name)
        if not isinstance(body, dict):
            return None
        # Compose fills in the whole of it, whatever is used of it.
        self._note(other, tree)
        return dict(based(body, posixpath.relpath(".", posixpath.dirname(file.name) or ".")))

    def _find(self, file: SourceFile, path: str, above: tuple[str, ...]) -> SourceFile | None:
        name = posixpath.normpath(posixpath.join(posixpath.dirname(file.name), path))
        is_ours = path and name not in above and not name.startswith(("/", "..")) and "$" not in path
        return read_source(self._repository, name) if is_ours and "://" not in path else None

    def _note(self, file: SourceFile, tree: Any) -> None:
        self.files += [] if file in self.files else [file]
        self.trees.append(tree)


def find_references(text: str) -> Iterator[tuple[str, str]]:
    """The names after $ in a text, each with the operator of its ${…}: "", ":-", "-", ":?", "?", ":+" or "+"."""
    at = 0
    while found := _EXPANDED.search(text, at):
        name, operator = found["plain"] or found["name"], found["operator"] or ""
        if name:
            yield name, operator
        # A word may hold others, and reaches too far at times: what stands in it is looked at in its turn.
        at = found.start("word") if operator else found.end()


def _service(name: str, body: Mapping[str, Any]) -> Service:
    context, extends = body.get("build", {}).get("context"), body.get("extends")
    return Service(
        name=name,
        env_files=tuple(body.get("env_file", ())),
        environment=tuple(_setting(variable, value) for variable, value in body.get("environment", {}).items()),
        image=body.get("image", ""),
        context=context if isinstance(context, str) else "",
        extends=str(extends.get("file", "")) if isinstance(extends, Mapping) else "",
        has_mounted=any(posixpath.normpath(source) in (".", ".env") for source in body.get("volumes", ())),
        names=tuple(filter(None, (body.get("container_name"), body.get("hostname"), *_aliases(body)))),
    )


def _aliases(body: Mapping[str, Any]) -> Iterator[str]:
    for network in body.get("networks", {}).values():
        told = network.get("aliases") if isinstance(network, Mapping) else None
        yield from (each for each in told if isinstance(each, str)) if isinstance(told, list) else ()


def _setting(variable: str, value: Any) -> Setting:
    if value is None:
        return Setting(variable, None)
    text = str(value)
    names = tuple(dict.fromkeys(name for name, _ in find_references(text)))
    if not names:
        text = text.replace("$$", "$")
    literal = _secret_in(variable, text)
    if not literal:
        return Setting(variable, text, names)
    return Setting(variable, Masked(text, Masked(literal, variable).name), names)


def _secret_in(variable: str, text: str) -> str:
    """What of a value is written out and nobody else's business: no reference, no placeholder, no common word."""
    literal = _DEFAULT.sub(r"\1", _REFERENCE.sub("", text))
    password = _URL_PASSWORD.search(literal)
    if password is None and not is_secret(variable):
        return ""
    literal = password[1] if password else literal
    return "" if any(each.fullmatch(literal) for each in (COMMON, PLACEHOLDER, TEMPLATE_DEFAULT)) else literal
