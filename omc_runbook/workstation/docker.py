"""Docker Compose: its resolved configuration, how it parses a .env, and starting the services."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from omc_runbook.masking import registry
from omc_runbook.masking.public_values import find_public
from omc_runbook.masking.value import Masked
from omc_runbook.model import programs
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.model.shell import command
from omc_runbook.model.suggestions import closest
from omc_runbook.repository.checkout import Checkout

PROGRAMS = (("docker", "compose"), ("docker-compose",))

SECONDS = {"version": 20, "config": 30, "ls": 20, "up": 900, "logs": 60, "ps": 20}
"""The time limit of each command; `up` may build images."""

LINES = 5000
"""The number of last log lines that are read of each service."""

Kind = Literal["", "unterminated", "space-in-name", "bad-name", "bad-interpolation", "other"]
"""Why Compose rejects a .env, from its error message; "other" for an unknown message, "" if it accepts it."""

_RECENT: set[tuple[str, int, int]] = set()
"""Files of programs that were found to be recent, each with its time and size."""
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("unterminated quoted value", "unterminated"),
    ("key cannot contain a space", "space-in-name"),
    ("unexpected character", "bad-name"),
    ("zero length string", "bad-name"),
    ("Invalid template", "bad-interpolation"),
    ("required variable", "bad-interpolation"),
)
_EMPTY_NAME = "setenv: invalid argument"
_REFUSAL = re.compile(rf"failed to read .+?: (?:line (\d+): )?({'|'.join(message for message, _ in _KINDS)})")
_VERSION = re.compile(r"version v?(\d+)\.")
_UNSET = re.compile(r'The \\?"([^"\\]*)\\?" variable is not set')
_UNREADABLE = re.compile(r"failed to read (\S+): (?:line (?P<line>\d+): )?")
_REQUIRED = re.compile(r"error while interpolating (\S+?)(?:\.\[\])*: required variable (\w+) is missing")
_YAML = re.compile(r"(?:(?<![.\w])yaml: |mapping key .* already defined at (?=line \d))(?:line (?P<line>\d+))?")
_NO_FILE = re.compile(r"(?i)env file (.+?) not found")
_PORT = re.compile(
    r"(?i)(?<=[\d\] ])(?<!T\d\d)(?<!T\d\d:\d\d):{1,3}(\d{1,5})\b[^\n]*?(?:already allocated|already in use)"
)
_UNHEALTHY = re.compile(r"dependency failed to start: container (\S+) (is unhealthy|exited \(\d+\))")
_INCOMPLETE = re.compile(r"service \"([\w.-]+)\" didn't complete successfully: exit (\d+)")
_NETWORK = re.compile(r'network "?([\w.-]+)"? declared as external, but could not be found')
_VOLUME = re.compile(r'external volume "?([\w.-]+)"? not found')
_FORMAT = re.compile(r'unsupported env_file format "(\w+)"')
_PATH = re.compile(r"\b(?:open|stat|read) (/[^\n:]+): (no such file or directory|is a directory|permission denied)")
_EXTENDED = re.compile(r'cannot extend service "([\w.-]+)" in [^\n]+: service "([\w.-]+)" not found')
_PLACE = re.compile(r"\b(?:services|networks|volumes|configs|secrets)(?:[.\[][\w-]+\]?)+")
_ATTRIBUTE = re.compile(r"(?i)(\S+) additional propert(?:y|ies) '?([\w-]+)'?(?: is)? not allowed")
_ATTRIBUTE_NAMES = """
    additional_contexts annotations args attach blkio_config build cap_add cap_drop cgroup cgroup_parent command
    condition configs container_name context cpu_count cpu_percent cpu_period cpu_quota cpu_shares cpus cpuset
    credential_spec depends_on deploy develop device_cgroup_rules devices disable dns dns_opt dns_search dockerfile
    dockerfile_inline domainname driver driver_opts entrypoint env_file environment expose extends external
    external_links extra_hosts file gpus group_add healthcheck hostname image include init interval ipam ipc isolation
    label_file labels limits links logging mac_address mem_limit mem_reservation mem_swappiness memory memswap_limit
    models name network_mode networks no_cache oom_kill_disable oom_score_adj options path pid pids_limit platform
    platforms ports post_start pre_stop privileged profiles provider pull pull_policy read_only replicas required
    reservations resources restart restart_policy retries runtime scale secrets security_opt services shm_size ssh
    start_interval start_period stdin_open stop_grace_period stop_signal storage_opt sysctls tags target test timeout
    tmpfs tty ulimits use_api_socket user userns_mode uts version volumes volumes_from watch working_dir
"""
_ATTRIBUTES = frozenset(_ATTRIBUTE_NAMES.split())
"""Names of attributes in a compose file, which are no values."""
_SERVICE = re.compile(r'^service "?([\w.-]+)"? (?!services)', re.MULTILINE)
IS_FOLDER = "is a folder, where a compose file names a file"
_OF_PATHS = {
    "no such file or directory": "does not exist, which a compose file or COMPOSE_FILE names",
    "is a directory": IS_FOLDER,
    "permission denied": "cannot be read by this user",
}
"""What Compose says of a file that it needs, in other words."""
_REASONS = (
    (_REQUIRED, "{0} needs {1}, which is not set"),
    (_UNREADABLE, "it cannot read {0}"),
    (_NO_FILE, "{0} is missing, which env_file names"),
    (_FORMAT, "this Docker Compose does not know the env_file format {0}: 2.30 and later know raw"),
    (_PATH, "{0} {1}"),
    (_EXTENDED, "service {0} extends {1}, which does not exist"),
    (_YAML, "a compose file is not valid YAML"),
    (_UNHEALTHY, "container {0} {1}"),
    (_INCOMPLETE, "service {0}, which others wait for, ended with exit code {1}"),
    (_NETWORK, "the external network {0} does not exist"),
    (_VOLUME, "the external volume {0} does not exist"),
    (_PORT, "port {0} is taken by another program"),
)
"""Why a command failed, with the names in Compose's message; the line is added where the message has one."""
_REMEDIES = (
    (_NO_FILE, "Create {0}, or write required: false to its path in env_file."),
    (_FORMAT, "Install Docker Compose 2.30 or later, or take format: {0} out of env_file."),
    (_NETWORK, "docker network create {0}"),
    (_VOLUME, "docker volume create {0}"),
    (
        _PORT,
        "lsof -nP -iTCP:{0} -sTCP:LISTEN shows which program: stop it, or publish another port in"
        " docker-compose.override.yml",
    ),
)
"""What removes the reason, with the name in Compose's message, which is a plain word where a command has it."""

_ONE_OFF = re.compile(r"com\.docker\.compose\.oneoff=True|[-_]run[-_][0-9a-f]{12}$")
"""What the labels or the name of a container have that `docker compose run` left."""
_FAILED_STATES = {"created": "was not started", "paused": "is paused", "dead": "is dead"}
"""States in which a container never works, as ends of a sentence."""

INVALID = "a compose file is not valid"

FAILURES = (
    (r"(?i)cannot connect to the docker daemon|is the docker daemon running", "no Docker engine answers: start Docker"),
    (r"(?i)permission denied.*docker|docker.*permission denied", "this user has no permission to use Docker's engine"),
    (r"(?i)no configuration file provided", "there is no compose file"),
    (r"(?i)empty compose file", "a compose file is empty"),
    (r"(?i)no service selected", "no service is selected: there is none, or each has a profile"),
    (r"(?i)invalid project name", "the project's name is not valid, which name or COMPOSE_PROJECT_NAME sets"),
    (r"(?i)dependency cycle detected", "services depend on each other in a circle"),
    (r"(?i)circular reference|include cycle", "services extend each other, or files include each other, in a circle"),
    (r"(?i)invalid (?:host|container) ?port|invalid port", "a port in a compose file is not valid"),
    (r"(?i)pull access denied|manifest unknown|manifest for .* not found", "an image could not be pulled"),
    (r"(?i)no space left on device", "the disk is full"),
    (r"(?i)failed to solve|failed to build|executor failed running", "an image could not be built"),
    (r"(?i)already allocated|address already in use", "a port is taken by another program"),
    (r"(?i)i/o timeout|no such host|TLS handshake|connection refused", "a registry could not be reached"),
    (
        r"(?i)validating |not allowed|must be |undefined service|invalid compose project|decoding failed"
        r"|unexpected type|failed to cast|missing a mount target|device mapping|unsupported ",
        INVALID,
    ),
    (r"(?i)invalid template|invalid interpolation", "a ${…} in a compose file or the .env is not valid"),
)
"""Reasons by Compose's error message, which may hold values and so is not shown."""


@dataclass(frozen=True, kw_only=True)
class MountedSource:
    """Where a secret or a config of Compose, which a service mounts, has its content: in a file or in a variable."""

    label: str
    """As in "secret jwt"."""
    path: str = ""
    variable: str = ""
    exists: bool | None
    """Whether there is the file, or the shell has the variable; None where this user may not look for the file."""


@dataclass(frozen=True)
class ComposeConfig:
    """The configuration that Compose resolves from the compose files and the .env."""

    environment: Mapping[str, Mapping[str, Masked]]
    """By service: the variables of its container."""
    warnings: tuple[str, ...] = ()
    error: str = ""
    """Why Compose rejects the files, as a sentence; "" if it does not."""
    unset: frozenset[str] = field(default=frozenset(), repr=False)
    """Names after a $ that are not set and become empty: one may be a piece of a password."""
    remedy: str = ""
    """What to do about the error; "" where Compose's own message has to say."""
    mounted_sources: tuple[MountedSource, ...] = ()


@dataclass(frozen=True)
class EnvFile:
    """A .env as Compose parses it: its variables, or why Compose rejects it."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    kind: Kind = ""
    line: int = 0
    """The line of the error, counted by line feeds: the end of an unterminated value; 0 if Compose names none."""
    unset: frozenset[str] = field(default=frozenset(), repr=False)
    """Names after a $ that are not set and become empty: one may be a piece of a password."""


@dataclass(frozen=True)
class UpResult:
    """Whether `up` succeeded, a sentence on it, the services that it names as failed, and what to do."""

    ok: bool
    message: str
    services: tuple[str, ...] = ()
    """Services, or containers where Compose names those."""
    remedy: str = ""
    """What removes the obstacle; "" where the services' logs have to say."""


@dataclass(frozen=True, kw_only=True)
class ComposeContainer:
    """A container of the project, as `docker compose ps` lists it."""

    service: str
    name: str
    state: str
    exit_code: int
    health: str

    @property
    def failure(self) -> str:
        """What is wrong with it, as the end of a sentence; "" for one that runs, or ended with exit code 0."""
        if self.state == "restarting":
            return f"keeps restarting (exit code {self.exit_code})"
        if self.state in ("exited", "dead") and self.exit_code:
            return f"ended with exit code {self.exit_code}"
        return _FAILED_STATES.get(self.state) or ("is unhealthy" if self.health == "unhealthy" else "")


def find_compose(checkout: Path | None = None) -> tuple[str, ...] | None:
    """The command of Docker Compose version 2 or later: the plugin of docker, else docker-compose; None for neither.

    Programs that a checkout brings along do not count.
    """
    folder = checkout or Path.cwd()
    found = ((each, programs.find(each[0], folder)) for each in PROGRAMS)
    return next((each for each, path in found if path and _is_recent(each, Path(path), folder)), None)


def expected_compose(checkout: Path) -> tuple[str, ...]:
    """The command to print where Compose was not asked: docker's plugin, unless docker-compose alone is installed."""
    return next((each for each in PROGRAMS if programs.find(each[0], checkout)), PROGRAMS[0])


def command_for(program: Sequence[str], checkout: Checkout, *words: str) -> str:
    """A command of Compose on a checkout, to paste in any folder: another folder's containers are not touched."""
    if checkout.compose and checkout.compose.is_named:
        return f"{command('cd', checkout.root)} && {command(*program, *words)}"
    return command(*program, "--project-directory", checkout.root, *words)


def _is_recent(program: Sequence[str], path: Path, folder: Path) -> bool:
    """Whether its version is 2 or later: asked once of a program's file as it is; a plugin is another than docker's."""
    status = path.stat()
    file = (str(path), status.st_mtime_ns, status.st_size)
    if file in _RECENT:
        return True
    try:
        process = _call(program, "version", (), folder)
    except CouldNotLook:
        return False
    version = _VERSION.search(process.stdout)
    if process.returncode or version is None or int(version[1]) < 2:
        return False
    if len(program) == 1:
        _RECENT.add(file)
    return True


def read_env_file(program: Sequence[str], path: Path, env: Mapping[str, str]) -> EnvFile:
    """Let Compose parse a .env, as the project's and as a service's env_file, without the checkout's compose files.

    `program` is the command of `find_compose`, `env` the shell's variables. Raises CouldNotLook if Compose cannot be
    started, does not end in time or gives no JSON.
    """
    service = {"image": "none", "env_file": [str(path.absolute()).replace("$", "$$")]}
    project = ("--project-name", "dotenv", "--project-directory", str(path.parent.absolute()), "--file", "-")
    compose_file = json.dumps({"services": {"dotenv": service}})
    process = _call((*program, *project), "config", ("--format", "json"), path.parent, env, compose_file)
    unset = frozenset(_UNSET.findall(process.stderr))
    if process.returncode == 0:
        document = _configuration(process.stdout) or {"services": {}}
        if "dotenv" not in document["services"]:
            raise CouldNotLook(f"{' '.join(program)} config gives no JSON: install a newer Docker Compose.")
        return EnvFile(_variables(document["services"]["dotenv"]), unset=unset)
    match = _REFUSAL.search(process.stderr)
    if match:
        return EnvFile(kind=dict(_KINDS)[match[2]], line=int(match[1] or 0), unset=unset)
    return EnvFile(kind="bad-name" if _EMPTY_NAME in process.stderr else "other", unset=unset)


def read_config(program: Sequence[str], repository: Path, env: Mapping[str, str] | None = None) -> ComposeConfig:
    """Let Compose resolve its configuration with the variables of `env`: by default this process's.

    Raises CouldNotLook if Compose cannot be started or does not end in time.
    """
    process = _call(program, "config", ("--format", "json"), repository, env)
    warnings = tuple(_warnings(process.stderr))
    if process.returncode:
        error = f"docker compose config failed in {repository}: {_reason(process)}."
        return ComposeConfig({}, warnings, error, remedy=_remedy(process.stderr))
    document = _configuration(process.stdout)
    if document is None:
        return ComposeConfig({}, warnings, f"{' '.join(program)} config gives no JSON: install a newer Docker Compose.")
    plain = {service: _variables(body) for service, body in document["services"].items()}
    # Many services have the same variables, out of one file.
    pairs = dict.fromkeys(pair for variables in plain.values() for pair in variables.items())
    registry.exempt({*document["services"], *find_public(pairs)})
    masked = {(name, value): Masked(value, name) for name, value in pairs}
    environment = {
        service: {name: masked[name, value] for name, value in variables.items()}
        for service, variables in plain.items()
    }
    unset = frozenset(_UNSET.findall(process.stderr))
    sources = tuple(_mounted_sources(document, os.environ if env is None else env))
    return ComposeConfig(environment, warnings, unset=unset, mounted_sources=sources)


def _configuration(text: str) -> dict[str, Any] | None:
    """A configuration as Compose prints it, with its services; None for any other text."""
    try:
        document = json.loads(text)
        services = document.get("services") or {}
        is_one = all(isinstance(each.get("environment") or {}, dict) for each in services.values())
    except (json.JSONDecodeError, AttributeError):
        return None
    return {**document, "services": services} if is_one else None


def _mounted_sources(document: Mapping[str, Any], variables: Mapping[str, str]) -> Iterator[MountedSource]:
    """Yield what the services mount, of a configuration as Compose resolves it: without those of other profiles."""
    for kind in ("secret", "config"):
        uses = (each for service in (document.get("services") or {}).values() for each in service.get(f"{kind}s") or ())
        used = {use.get("source") for use in uses}
        for name, body in (document.get(f"{kind}s") or {}).items():
            path, variable = str(body.get("file") or ""), str(body.get("environment") or "")
            if name in used and (path or variable):
                exists = _exists(Path(path)) if path else variable in variables
                yield MountedSource(label=f"{kind} {name}", path=path, variable=variable, exists=exists)


def _exists(path: Path) -> bool | None:
    """Whether a file exists; None where this user may not look: the engine, which mounts it, may."""
    try:
        path.stat()
    except PermissionError:
        return None
    except (OSError, ValueError):
        # With a null character in it, it is no path.
        return False
    return True


def engine_problem(program: Sequence[str]) -> str:
    """Why no Docker engine can be used, as a sentence; "" if one can."""
    try:
        process = _call(program, "ls", ("--quiet",), Path.cwd())
    except CouldNotLook as error:
        return str(error)
    return f"Docker cannot be used: {_reason(process)}." if process.returncode else ""


def up(program: Sequence[str], repository: Path) -> UpResult:
    """Run `docker compose up --detach`.

    Raises CouldNotLook if Compose cannot be started or does not end in time.
    """
    process = _call(program, "up", ("--detach",), repository)
    name = " ".join(program)
    if process.returncode:
        message = registry.mask(f"{name} up failed in {repository}: {_reason(process)}.")
        failed = (*_INCOMPLETE.findall(process.stderr), *_UNHEALTHY.findall(process.stderr))
        return UpResult(False, message, tuple(dict.fromkeys(each for each, _ in failed)), _remedy(process.stderr))
    return UpResult(True, f"{name} up has started the services of {repository}.")


def containers(program: Sequence[str], repository: Path) -> tuple[ComposeContainer, ...]:
    """The containers of the project's services, ended ones included.

    Raises CouldNotLook if Compose cannot be started, fails, does not end in time, gives no JSON or lists none.
    """
    process = _call(program, "ps", ("--all", "--format", "json"), repository)
    name = f"{' '.join(program)} ps"
    if process.returncode:
        raise CouldNotLook(registry.mask(f"{name} failed in {repository}: {_reason(process)}."))
    try:
        # Until 2.21 Compose writes one list, since then one object a line.
        documents = [json.loads(line) for line in process.stdout.splitlines() if line.strip()]
        rows = [row for each in documents for row in (each if isinstance(each, list) else [each])]
        found = tuple(
            ComposeContainer(
                service=str(row["Service"]),
                name=str(row.get("Name", "")),
                state=str(row["State"]).lower(),
                exit_code=int(row.get("ExitCode") or 0),
                health=str(row.get("Health", "")),
            )
            for row in rows
            if not _ONE_OFF.search(f"{row.get('Labels', '')},{row.get('Name', '')}")
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise CouldNotLook(f"{name} gives no JSON in {repository}: install a newer Docker Compose.") from None
    if not found:
        raise CouldNotLook(f"{name} lists no container of {repository}.")
    return found


def logs(program: Sequence[str], repository: Path) -> str:
    """The last log lines of all services; they may hold values.

    Raises CouldNotLook if Compose cannot be started, fails, or does not end in time.
    """
    process = _call(program, "logs", ("--no-color", "--tail", str(LINES)), repository)
    if process.returncode:
        raise CouldNotLook(registry.mask(f"{' '.join(program)} logs failed in {repository}: {_reason(process)}."))
    # Compose writes a container's standard error to its own.
    return process.stdout + process.stderr


def _call(
    program: Sequence[str],
    verb: str,
    options: Sequence[str],
    folder: Path,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    variables = {**(os.environ if env is None else env), "COMPOSE_ANSI": "never", "COMPOSE_MENU": "false"}
    variables |= {"PATH": programs.search_path(folder)}
    try:
        return subprocess.run(
            [*program, verb, *options],
            cwd=folder,
            env=variables,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS[verb],
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CouldNotLook(
            f"{' '.join(program)} {verb} did not end within {SECONDS[verb]} s in {folder}:"
            " run it by hand to see what it waits for."
        ) from None
    except OSError as error:
        raise CouldNotLook(f"{program[0]} could not be started in {folder}: {error.strerror}.") from None


def _variables(service: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a service; Compose doubles every $ in its output."""
    variables = (service.get("environment") or {}).items()
    return {name: str(value).replace("$$", "$") for name, value in variables if value is not None}


def _warnings(stderr: str) -> Iterator[str]:
    """Warnings without names: a name after a $ may be a piece of a password."""
    names = {*_UNSET.findall(stderr)}
    if names:
        subject = "A variable after a $ is" if len(names) == 1 else f"{len(names)} variables after a $ are"
        yield f"{subject} not set: Compose replaces each with nothing."
    if "is obsolete" in stderr:
        yield "A compose file has an attribute that Compose ignores as obsolete."


def _reason(process: subprocess.CompletedProcess[str]) -> str:
    """Why a command failed, without any of Compose's message but names of files, services and ports."""
    stderr = _UNSET.sub("", process.stderr)
    for pattern, sentence in _REASONS:
        if match := pattern.search(stderr):
            line = match.groupdict().get("line")
            names = (_OF_PATHS.get(each, each) for each in match.groups())
            return sentence.format(*names) + (f", line {line}" if line else "")
    reasons = (reason for pattern, reason in FAILURES if re.search(pattern, stderr))
    reason = next(reasons, f"it ended with {process.returncode}")
    # It may repeat a value, and says where in names alone.
    location, service = _PLACE.search(stderr), _SERVICE.search(stderr)
    where = location[0] if location else f"service {service[1]}" if service else ""
    if (match := _ATTRIBUTE.search(stderr)) and (wrong := _wrong_attribute(match[2])):
        return f"{INVALID}: {where or 'it'} has {wrong}"
    return f"{reason}: {where}" if where and reason == INVALID else reason


def _wrong_attribute(name: str) -> str:
    """An attribute that Compose does not know where it stands, and its like; "" for a word that may be a value."""
    if name in _ATTRIBUTES:
        return f"{name}, which does not belong there"
    near = closest(name.casefold(), _ATTRIBUTES)
    return f"{name}, and Compose knows {near}" if near else ""


def _remedy(stderr: str) -> str:
    """What removes that which keeps a command from succeeding, mostly a command; "" where that is unknown."""
    found = ((remedy, pattern.search(stderr)) for pattern, remedy in _REMEDIES)
    return next((remedy.format(match[1]) for remedy, match in found if match), "")
