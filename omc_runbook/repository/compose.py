"""The compose files of a checkout, parsed and merged as Docker Compose does, without running it."""

from __future__ import annotations

import io
import os
import posixpath
import re
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from dotenv.parser import Binding, parse_stream

from omc_runbook.masking.public_values import COMMON
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import UsageError
from omc_runbook.model.placeholders import PLACEHOLDER
from omc_runbook.model.secretive import is_secret
from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.compose_tree import (
    all_texts,
    find_includes,
    merge,
    read_services,
    read_tree,
    rebase,
    resolve_env_files,
)
from omc_runbook.repository.dockerfile import BuiltImage, read_image
from omc_runbook.textfile.file import BOM, SourceFile, is_inside, read_first, read_if_readable, read_source

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    *("compose.override.yml", "compose.override.yaml"),
    *("docker-compose.override.yml", "docker-compose.override.yaml"),
)
"""Compose takes the first that exists, of these and of `NAMES`."""

# Go's case folding matches two letters that are not ASCII: long s and the Kelvin sign.
_VARIABLE = r"[A-Za-z_\u017f\u212a][A-Za-z0-9_\u017f\u212a]*"
_EXPANDED = re.compile(
    rf"\$(?:(?P<dollar>\$)|(?P<plain>{_VARIABLE})"
    rf"|\{{(?P<name>{_VARIABLE})(?:(?P<operator>:?[-+?])(?P<word>.*))?\}}|(?P<invalid>\{{))"
)
_URL_PASSWORD = re.compile(r"://[^/@\s:]*:([^/@\s]+)@")
_REFERENCE = re.compile(r"\$\{\w+(?::?[?+][^}]*|:?-)?\}|\$\w+")
_FILLED = re.compile(r"\$\{(\w+):-[^}\s]")
_DEFAULT = re.compile(r"\$\{\w+:?[-+]([^}]*)\}")
_COLON = re.compile(r"(?m)^(\s*(?:export\s+)?[A-Za-z_][\w.-]*\s*):")
_WITHOUT_VARIABLES = re.compile(r"(?:\A|\Adocker\.io/|/library/)redis(?:[:@]|\Z)")
"""Docker's own image of Redis, which takes no variables: what begins with REDIS is the application's."""
SECRETS = "/run/secrets"
"""The folder in a container for Compose's secrets."""
HOST_MACHINE = "host.docker.internal"
"""The name of the host machine in a container."""
_INNERMOST = re.compile(r"\$(?:\{(\w+)(?:(:?)([-+?])([^${}]*))?\}|(\w+))", re.ASCII)
"""An interpolation without another one in it."""
_WHOLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*(?::?\?[^{}]*)?\})", re.ASCII)
"""A value that is one variable's, which may have to be set."""
_SINGLE_QUOTED = re.compile(r"\A[^=]*=\s*'")
_DOTENV = ".env"
_FILE_VARIABLES = ("COMPOSE_FILE", "COMPOSE_PATH_SEPARATOR")
_APPLICATIONS = ("backend", "app", "api", "web")
_CONTEXT = "backend"


@dataclass(frozen=True)
class ServiceVariable:
    """An entry of a service's `environment:`."""

    variable: str
    value: Masked | str | None
    """As in the file, masked if it looks secret; None if it is passed through from the shell or the .env."""
    interpolates: tuple[str, ...] = ()
    """The names of its ${…}."""
    defaults: frozenset[str] = frozenset()
    """Those for which another text stands where they are empty, as in ${DB_HOST:-db}."""

    @property
    def source(self) -> str:
        """The variable whose value it has as it is, as of ${APP_SECRET}; "" where it has none, or a default for it."""
        text = self.value if isinstance(self.value, str) else ""
        # $$ has become $ in a text that interpolates nothing.
        return self.interpolates[0] if self.interpolates and _WHOLE.fullmatch(text.strip()) else ""

    @property
    def is_of_dotenv(self) -> bool:
        """Whether the service gets the variable of the same name of the shell or the .env, if only as a part."""
        return self.value is None or self.variable in self.interpolates

    def has_text(self, text: str) -> bool:
        """Whether the file has this text for it."""
        return self.value.same_as(text) if isinstance(self.value, Masked) else self.value == text


@dataclass(frozen=True, kw_only=True)
class ComposeService:
    """A service, merged with its override."""

    name: str
    env_files: tuple[str, ...] = ()
    """Paths as in the file, with the values of their variables where these are known."""
    env_file_names: frozenset[str] | None = frozenset()
    """The variables in its env_files; None where the .env is one of them, or one is outside of the checkout."""
    environment: tuple[ServiceVariable, ...] = ()
    image: str = ""
    context: str = ""
    """The build context."""
    code: tuple[str, ...] | None = None
    """The folders that it is built from, or mounts; None where its image may have code of others."""
    dockerfile: str = ""
    """The Dockerfile's path as seen from the context, where it is named."""
    built: BuiltImage = field(default_factory=BuiltImage)
    """What the image has of the .env, where it is built."""
    profiles: tuple[str, ...] = ()
    """The profiles of which one has to be active for `docker compose up` to start it."""
    extends: str = ""
    """The file of the service that it extends, if that could not be read."""
    mounts_checkout: bool = False
    """Whether it mounts the checkout or its .env."""
    mounts_secrets: bool = False
    """Whether it mounts secrets or configs of Compose, which may be the .env, or what Settings reads instead."""
    secret_files: frozenset[str] = frozenset()
    """The files that it gets from Compose's secrets, by their names in SECRETS."""
    names: tuple[str, ...] = ()
    """Its other host names: container_name, hostname, network aliases."""
    awaits_end_of: frozenset[str] = frozenset()
    """The services that have to end well before it starts, so that they are jobs."""

    @property
    def image_name(self) -> str:
        """The name of its image, without registry, tag and digest; "" where only a build names it."""
        return re.split("[:@]", self.image.rpartition("/")[2])[0]


@dataclass(frozen=True, kw_only=True)
class Compose:
    """The compose file, merged with its override."""

    files: tuple[SourceFile, ...]
    services: tuple[ComposeService, ...]
    interpolated: tuple[str, ...]
    """Every variable interpolated in a value of any file, or that a secret or config of one is made of, each once."""
    required: tuple[str, ...]
    """The variables that Compose requires: ${NAME?…}."""
    includes: bool = False
    """Whether it includes compose files that could not be read, or COMPOSE_FILE names some."""
    is_named: bool = False
    """Whether COMPOSE_FILE names the files: its paths begin at the folder in which Compose is run."""
    settings: str = ""
    """The path of Settings within the checkout, or of the folder of what reads variables; "" for none."""

    @cached_property
    def used(self) -> frozenset[str]:
        """Every variable that a file interpolates, or passes through to a service."""
        passed = (each.variable for service in self.services for each in service.environment if each.value is None)
        return frozenset((*self.interpolated, *passed))

    @cached_property
    def used_in_any_case(self) -> Mapping[str, str]:
        """Those variables by their names in small letters."""
        return {name.casefold(): name for name in sorted(self.used, reverse=True)}

    def is_of_image(self, variable: str) -> bool:
        """Whether another service with an env_file runs an image of others that is called as a variable begins.

        Such as PGADMIN_DEFAULT_PASSWORD for dpage/pgadmin4.
        """
        word = variable.partition("_")[0].casefold()
        return len(word) > 2 and word in self._images_of_others

    @cached_property
    def _images_of_others(self) -> frozenset[str]:
        """The first words of the names of the images that other services with an env_file run."""
        application = self.application()
        # The application's worker may run the image that another service builds.
        own = {each.image for each in self.services if each.context or each == application}
        images = {each.image for each in self.services if each.env_files and not each.context} - own
        names = (each.rpartition("/")[2].casefold() for each in images if not _WITHOUT_VARIABLES.search(each))
        return frozenset(re.split(r"\d*(?:[^a-z0-9]|$)", name)[0] for name in names)

    def find(self, name: str) -> ComposeService | None:
        """The service of this name."""
        return next((service for service in self.services if service.name == name), None)

    @property
    def hosts(self) -> frozenset[str]:
        """The host names of its services, and that of the host machine."""
        return frozenset({name for each in self.services for name in (each.name, *each.names)} | {HOST_MACHINE})

    def application(self) -> ComposeService | None:
        """The service that runs the backend: by its name, its build's folder, a usual name, or as the only build."""
        if _CONTEXT in (service.name for service in self.services):
            return self.find(_CONTEXT)
        usual = [service for service in map(self.find, _APPLICATIONS) if service]
        built = [each for each in (*usual, *self.services) if self._has_settings(_folder(each))]
        parts = {posixpath.dirname(each.dockerfile) for each in built if _folder(each) != _CONTEXT}
        if self.settings.endswith("/") and len(parts) > 1:
            # Each is built from a part of the folder, and nothing tells which one is meant.
            return None
        at_top = [each for each in usual if _folder(each) in ("", ".")]
        of_checkout = [each for each in self.services if each.context]
        alone = [
            each
            for each in of_checkout
            if len(of_checkout) == 1 and _folder(each) == "." and self._is_below_dockerfile(each)
        ]
        return next(iter(built or at_top or [each for each in usual if _is_api(each)] or alone), None)

    def may_run(self, name: str, files: Collection[str]) -> bool:
        """Whether a service may run one of some files: not if each is in a folder that only others are built from."""
        service = self.find(name)
        if service is None or service.code is None:
            return True
        own = service.code
        others = {_folder(each) for each in self.services} - {"", ".", *own}
        return any(_is_within(file, own) or not _is_within(file, others) for file in files)

    def _has_settings(self, folder: str) -> bool:
        """Whether Settings are in a folder below the top."""
        return folder == _CONTEXT or (folder not in ("", ".") and self.settings.startswith(f"{folder}/"))

    def _is_below_dockerfile(self, service: ComposeService) -> bool:
        """Whether Settings are below a service's Dockerfile: one in another folder is a frontend's, or a database's."""
        folder = posixpath.dirname(posixpath.normpath(service.dockerfile))
        return bool(self.settings) and self.settings.startswith(f"{folder}/" if folder else "")


def _is_api(service: ComposeService) -> bool:
    """Whether a service is named api, and built from a folder of that name: with others it may be a frontend."""
    return service.name == posixpath.basename(_folder(service)) == "api"


def _is_within(file: str, folders: Collection[str]) -> bool:
    return any(file.startswith(f"{each}/") for each in folders)


def _folder(service: ComposeService) -> str:
    return posixpath.normpath(service.context) if service.context else ""


def read_compose(repository: Path, settings: str = "") -> Compose | None:
    """Read the compose files at the top of a checkout, or those that COMPOSE_FILE names; None if there are none.

    `settings` is the path of Settings within the checkout, or of the folder of what reads variables; "" for none.
    Raises UsageError, in one sentence without any of the text, for a file that is not valid YAML or not a mapping, and
    for a folder that COMPOSE_FILE names.
    """
    paths = _named_paths(repository)
    if paths:
        if folder := next((each for each in paths if is_inside(each) and (repository / each).is_dir()), ""):
            raise UsageError(f"COMPOSE_FILE names a folder, {repository / folder}: give the path of a compose file.")
        files = [read_source(repository, name) if is_inside(name) else None for name in paths]
    else:
        file, override = read_first(repository, NAMES), read_first(repository, OVERRIDES)
        files = [file, *([override] if override else [])] if file else []
    reader, services = _Reader(repository), dict[str, Any]()
    for each in filter(None, files):
        # Paths in every file are relative to the folder of the first one.
        services = merge(services, reader.services(each, folder=posixpath.dirname(paths[0]) if paths else None))
    if not reader.files:
        return None
    references = [
        (name, "" if name in defaults else operator)
        for tree, defaults in reader.trees
        for text in all_texts(tree)
        for name, operator in find_references(text)
    ]
    references += [(name, "") for tree, _ in reader.trees for name in _secrets_from_environment(tree)]
    return Compose(
        files=tuple(reader.files),
        services=tuple(_service(repository, name, body) for name, body in services.items()),
        interpolated=tuple(dict.fromkeys(name for name, _ in references)),
        required=tuple(dict.fromkeys(name for name, operator in references if operator.endswith("?"))),
        includes=reader.is_incomplete or None in files,
        is_named=bool(paths),
        settings=settings,
    )


def names_missing_file(files: CheckoutFiles) -> bool:
    """Whether COMPOSE_FILE names a path that does not exist, with which Compose does nothing.

    What the shell names counts where there are compose files at all: it may name another project's. With a variable
    that only Compose expands, it may exist.
    """
    if "COMPOSE_FILE" in os.environ and not any(files.with_names(NAMES)):
        return False
    paths = _named_paths(files.root)
    return not any("$" in each for each in paths) and not all((files.root / each).exists() for each in paths)


def _secrets_from_environment(tree: Mapping[str, Any]) -> Iterator[str]:
    """Yield the variables that Compose makes secrets and configs of, for services that mount them as files."""
    sections = (section for name in ("secrets", "configs") if isinstance(section := tree.get(name), Mapping))
    bodies = (body for section in sections for body in section.values() if isinstance(body, Mapping))
    yield from (name for body in bodies if isinstance(name := body.get("environment"), str) and name.isidentifier())


def _named_paths(repository: Path) -> tuple[str, ...]:
    """The paths in COMPOSE_FILE, seen from the checkout; the shell sets it, else the .env; none where neither does.

    Compose expands variables in the .env, by the shell and the lines above, and is run at the top.
    """
    above = dict[str, str]()
    for binding in _bindings(repository, _DOTENV, _FILE_VARIABLES):
        name, value = binding.key or "", binding.value or ""
        if name in _FILE_VARIABLES and not _SINGLE_QUOTED.search(binding.original.string):
            value = interpolate(value, {**above, **os.environ, "PWD": str(repository)}, may_be_empty=True)
        above[name] = value
    paths, separator = (os.environ.get(name, above.get(name, "")) for name in _FILE_VARIABLES)
    return tuple(
        os.path.relpath(repository / path, repository)
        for path in paths.replace("\0", "").split(separator or ":")
        if path
    )


def _read_variables(repository: Path, name: str, needed: Collection[str] = ()) -> dict[str, str]:
    """The variables of a .env, as `_bindings` reads them."""
    return {each.key: each.value or "" for each in _bindings(repository, name, needed) if each.key}


def _bindings(repository: Path, name: str, needed: Collection[str]) -> Iterator[Binding]:
    """The lines of a .env as python-dotenv parses it, without expansion; none where it cannot be read.

    Docker Compose takes NAME: VALUE too. Where names are `needed`, a file without one of them in it is not parsed.
    """
    # Other checks report one that cannot be read.
    file = read_if_readable(repository, name)
    text = file.text if file else ""
    is_needed = not needed or any(name in text for name in needed)
    return parse_stream(io.StringIO(_COLON.sub(r"\1=", text.lstrip(BOM)))) if is_needed else iter(())


def read_services_of(repository: Path, file: SourceFile) -> dict[str, ComposeService]:
    """The services of one file, merged with what it includes and what they extend; raises UsageError as above."""
    bodies = merge({}, _Reader(repository).services(file))
    return {name: _service(repository, name, body) for name, body in bodies.items()}


class _Reader:
    """A reader that follows include and extends: the files, their trees, and whether an included one was not read."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self.files: list[SourceFile] = []
        self.trees: list[tuple[Any, frozenset[str]]] = []
        """Each with the variables that only the files of an include set."""
        self.is_incomplete = False
        self._found: dict[Hashable, dict[str, Any]] = {}
        self._circles = 0
        """How often a file was left out that is read already on the way to it."""

    def _once(self, key: Hashable, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Services by what they depend on, read once; anew where the way to them leaves a file out."""
        if key in self._found:
            return self._found[key]
        circles, services = self._circles, read()
        if circles == self._circles:
            self._found[key] = services
        return services

    def services(
        self,
        file: SourceFile,
        above: tuple[str, ...] = (),
        folder: str | None = None,
        defaults: frozenset[str] = frozenset(),
    ) -> dict[str, Any]:
        """The services of a file and of those that it includes, with paths relative to the checkout.

        `folder` is what the paths in the file are relative to, its own folder by default; `defaults` are the variables
        that the files of its include set.
        """
        return self._once(("all", file.name, folder, defaults), lambda: self._all(file, above, folder, defaults))

    def _all(
        self, file: SourceFile, above: tuple[str, ...], folder: str | None, defaults: frozenset[str]
    ) -> dict[str, Any]:
        tree, above, services = read_tree(file), (*above, file.name), dict[str, Any]()
        self._record(file, tree, defaults)
        for each in find_includes(tree):
            other = self._find(file, each.path, above)
            self.is_incomplete = self.is_incomplete or other is None
            # The project's own .env is no other file.
            paths = {_path_from(file, path) for path in each.env_files} - {_DOTENV}
            files = (_read_variables(self._repository, path) for path in paths if _is_local(path))
            own = (name for variables in files for name, value in variables.items() if value)
            inner = _path_from(file, each.folder)
            services = merge(services, self.services(other, above, inner, defaults.union(own)) if other else {})
        own_services = self._own_services(file, tree, above, folder, defaults)
        # Without services to merge with, !reset and !override stay for the caller's merge.
        return merge(services, own_services) if services else own_services

    def _own_services(
        self,
        file: SourceFile,
        tree: Mapping[str, Any],
        above: tuple[str, ...],
        folder: str | None,
        defaults: frozenset[str],
    ) -> dict[str, Any]:
        folder = posixpath.dirname(file.name) if folder is None else folder
        services = read_services(file, tree, lambda path, name: self._service(file, path, name, above, defaults))
        resolve = partial(_resolved, self._repository, defaults)
        return {name: rebase(resolve_env_files(body, resolve), folder) for name, body in services.items()}

    def _service(
        self, file: SourceFile, path: str, name: str, above: tuple[str, ...], defaults: frozenset[str]
    ) -> Mapping[str, Any] | None:
        """A service of another file, with paths relative to the folder of the file that extends it."""
        other = self._find(file, path, above)
        if other is None:
            return None
        tree = read_tree(other)
        above = (*above, other.name)
        key = ("own", other.name, defaults)
        body = self._once(key, lambda: self._own_services(other, tree, above, None, defaults)).get(name)
        if not isinstance(body, dict):
            return None
        # Compose interpolates the whole file, whichever service is used.
        self._record(other, tree)
        return dict(rebase(body, posixpath.relpath(".", posixpath.dirname(file.name) or ".")))

    def _find(self, file: SourceFile, path: str, above: tuple[str, ...]) -> SourceFile | None:
        name = _path_from(file, path)
        self._circles += name in above
        is_local = path and name not in above and _is_local(name)
        return read_source(self._repository, name) if is_local else None

    def _record(self, file: SourceFile, tree: Any, defaults: frozenset[str] = frozenset()) -> None:
        self.files += [] if file in self.files else [file]
        self.trees.append((tree, defaults))


def _path_from(file: SourceFile, path: str) -> str:
    """A path in a file, as seen from the top of the checkout."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(file.name), path))


def _is_local(path: str) -> bool:
    """Whether a path is known, and within the checkout."""
    return is_inside(path) and "$" not in path


def find_references(text: str) -> Iterator[tuple[str, str]]:
    """Yield the variables interpolated in a text, each with its operator: "", ":-", "-", ":?", "?", ":+" or "+"."""
    position = 0
    while match := _EXPANDED.search(text, position):
        name, operator = match["plain"] or match["name"], match["operator"] or ""
        if name:
            yield name, operator
        # The word after an operator may have interpolations, or extend past the brace: continue at its start.
        position = match.start("word") if operator else match.end()


def _secret_files(secrets: Any) -> Iterator[str]:
    """Yield the names in SECRETS of a service's secrets, which Compose lists by name, or with a source."""
    for each in secrets if isinstance(secrets, list) else ():
        name = (each.get("target") or each.get("source")) if isinstance(each, Mapping) else each
        folder, file = posixpath.split(posixpath.join(SECRETS, str(name)))
        if folder == SECRETS:
            yield file


def _service(repository: Path, name: str, body: Mapping[str, Any]) -> ComposeService:
    build, extends = body.get("build", {}), body.get("extends")
    context, dockerfile = build.get("context"), build.get("dockerfile")
    return ComposeService(
        name=name,
        env_files=tuple(body.get("env_file", ())),
        env_file_names=_names_in(repository, body.get("env_file", ())),
        environment=tuple(_service_variable(*pair) for pair in body.get("environment", {}).items()),
        image=body.get("image", ""),
        context=context if isinstance(context, str) else "",
        code=_code(body, build),
        dockerfile=dockerfile if isinstance(dockerfile, str) else "",
        built=_built(repository, build),
        profiles=tuple(body.get("profiles", ())),
        extends=str(extends.get("file", "")) if isinstance(extends, Mapping) else "",
        mounts_checkout=any(posixpath.normpath(source) in (".", ".env") for source in body.get("volumes", {}).values()),
        mounts_secrets=bool(body.get("secrets") or body.get("configs")),
        secret_files=frozenset(_secret_files(body.get("secrets"))),
        names=tuple(filter(None, (body.get("container_name"), body.get("hostname"), *_aliases(body)))),
        awaits_end_of=frozenset(_awaited(body.get("depends_on", {}))),
    )


def _code(body: Mapping[str, Any], build: Mapping[str, Any]) -> tuple[str, ...] | None:
    paths = (build.get("context") or ".", *body.get("volumes", {}).values())
    folders = [posixpath.normpath(str(each)) for each in paths]
    is_vague = "additional_contexts" in build or isinstance(body.get("extends"), Mapping)
    return None if is_vague or any(each in (".", "..") or "$" in each for each in folders) else tuple(folders)


def _built(repository: Path, build: Mapping[str, Any]) -> BuiltImage:
    texts = [build.get(name, "") for name in ("context", "dockerfile", "target")]
    if not build or "dockerfile_inline" in build or not all(isinstance(each, str) for each in texts):
        return BuiltImage()
    return read_image(repository, *texts)


def _resolved(repository: Path, unknown: Collection[str], path: str) -> str:
    """The path of an env_file with ~ and the values of its variables, or what stands in for them; as it is without.

    `unknown` are variables that may have a value that is not read here.
    """
    names = [name for name, _ in find_references(path)]
    text = interpolate(path, {**_read_variables(repository, _DOTENV, names), **os.environ}, unknown) if names else path
    # A folder may stand before it, as in include: an absolute path would take its place.
    # To Compose ~ is HOME, whatever follows, and itself without one: https://pkg.go.dev/os#UserHomeDir
    home = os.environ.get("HOME") if text.startswith("~") else ""
    return path if "//" in text else type(path)(posixpath.join(home, text[1:].lstrip("/")) if home else text)


def interpolate(text: str, values: Mapping[str, str], unknown: Collection[str] = (), may_be_empty: bool = False) -> str:
    """A text with the values of its variables, or what stands in for them; as it is where one of them is not known.

    `unknown` are variables that may have a value that is not among `values`. What would be empty may get a value before
    Compose is run, unless it `may_be_empty`. A value with a $ of its own is not known.
    """
    result = text
    while match := _INNERMOST.search(result):
        name, operator, word = match[1] or match[5], match[3], match[4]
        value = values.get(name)
        if (value is None and name in unknown) or "$" in (value or ""):
            return text
        is_set = value is not None and not (value == "" and match[2])
        if operator in ("+", "-"):
            value = word if is_set == (operator == "+") else value
        if not value and not (may_be_empty and (is_set or operator != "?")):
            return text
        result = f"{result[: match.start()]}{value or ''}{result[match.end() :]}"
    return text if "$" in result else result


def _names_in(repository: Path, paths: Sequence[str]) -> frozenset[str] | None:
    names = [posixpath.normpath(path) for path in paths]
    if _DOTENV in names or not all(map(_is_local, names)):
        return None
    return frozenset(variable for name in names for variable in _read_variables(repository, name))


def _awaited(dependencies: Mapping[str, Any]) -> Iterator[str]:
    for name, each in dependencies.items():
        if isinstance(each, Mapping) and each.get("condition") == "service_completed_successfully":
            yield str(name)


def _aliases(body: Mapping[str, Any]) -> Iterator[str]:
    for network in body.get("networks", {}).values():
        aliases = network.get("aliases") if isinstance(network, Mapping) else None
        yield from (each for each in aliases if isinstance(each, str)) if isinstance(aliases, list) else ()


def _service_variable(variable: str, value: Any) -> ServiceVariable:
    if value is None:
        return ServiceVariable(variable, None)
    text = str(value)
    names = tuple(dict.fromkeys(name for name, _ in find_references(text)))
    if not names:
        text = text.replace("$$", "$")
    literal = _secret_in(variable, text)
    value = Masked(text, Masked(literal, variable).name) if literal else text
    return ServiceVariable(variable, value, names, frozenset(_FILLED.findall(text)))


def _secret_in(variable: str, text: str) -> str:
    """The literal secret in a value: no interpolation, placeholder or common word; "" for none."""
    literal = _DEFAULT.sub(r"\1", _REFERENCE.sub("", text))
    password = _URL_PASSWORD.search(literal)
    if password is None and not is_secret(variable):
        return ""
    literal = password[1] if password else literal
    return "" if any(each.fullmatch(literal) for each in (COMMON, PLACEHOLDER)) else literal
