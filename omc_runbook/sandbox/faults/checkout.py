"""Faults of a developer's machine and of drift, in a copy of the example checkout that drills have for themselves."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from omc_runbook.model import programs
from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.sandbox import folders
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.worlds import example
from omc_runbook.sandbox.worlds.staging import World

LOCAL, DRIFT = "local", "drift"

_FOLDER = "drill"
_DOTENV, _TEMPLATE, _COMPOSE = ".env", ".env.template", "docker-compose.yml"
_SETTINGS = "backend/app/core/config.py"
_ECS = "infrastructure/terraform/modules/ecs/main.tf"

_NO_START = "On a developer's machine the application does not start."
_OTHER_VALUE = "On a developer's machine the application runs with another value than its .env has."
_EXPOSED = "A developer asks whether the .env is safe with everybody who has an account on the machine."
_LACKS = "A developer who set up a new machine lacks a variable that others have."
_NOT_READ = "A variable was set, and the application behaves as if it were not."
_NEXT_APPLY = "Before the next terraform apply, a colleague asks whether its files and AWS agree on the secrets."


def copy_of(endpoint: str) -> Path:
    """Where the copy is that a sandbox's drill breaks, whether or not there is one now."""
    return folders.at(endpoint).directory / _FOLDER / example.NAME


def is_in_copy(fault: Fault) -> bool:
    """Whether a fault breaks the copy, and nothing in AWS."""
    return fault.family in (LOCAL, DRIFT)


def remove_copy(endpoint: str) -> None:
    """Remove the copy, if there is one."""
    shutil.rmtree(copy_of(endpoint).parent, ignore_errors=True)


def is_seen_here(fault: Fault) -> bool:
    """Whether this machine has what it takes to see a fault."""
    return not fault.needs_compose or _has_compose()


def refuse_unseen(fault: Fault) -> None:
    """Raise UsageError for a fault that nobody would see on this machine."""
    if not is_seen_here(fault):
        raise UsageError(f"Nobody sees {fault.id} without Docker Compose: install it, or break another one.")


def _has_compose() -> bool:
    if programs.find("docker-compose"):
        return True
    docker = programs.find("docker")
    return docker is not None and not subprocess.run([docker, "compose", "version"], capture_output=True).returncode


def _fault(
    family: str, id: str, breaks: str, symptom: str, change: Callable[[Path], object], needs_compose: bool = False
) -> Fault:
    return Fault(family, id, breaks, lambda world: change(_new_copy(world)), symptom, needs_compose)


def _new_copy(world: World) -> Path:
    """The copy, made anew unless another fault broke it already."""
    copy = copy_of(world.endpoint)
    if not copy.is_dir():
        source = example.find(folders.at(world.endpoint).directory)
        if source is None:
            raise RunbookError("The sandbox's example checkout is gone: start another sandbox.")
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copytree(source, copy)
    return copy


def _edit(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda root: (root / _DOTENV).write_bytes(change((root / _DOTENV).read_bytes()))


def _substitute(name: str, pattern: str, replacement: Callable[[re.Match[str]], str]) -> Callable[[Path], object]:
    """Replace the first match of a pattern in a file; raises RunbookError where a person took it out."""

    def change(root: Path) -> None:
        path = root / name
        text, count = re.subn(pattern, replacement, path.read_bytes().decode(), count=1, flags=re.MULTILINE)
        if not count:
            raise RunbookError(f"{path} was changed and cannot be broken like this: start another sandbox.")
        path.write_bytes(text.encode())

    return change


def _without(name: str, pattern: str) -> Callable[[Path], object]:
    return _substitute(name, pattern, lambda match: "")


def _line(variable: str, text: str) -> Callable[[Path], object]:
    """Give a variable of the .env another value, which can contain the one that it has."""
    return _substitute(_DOTENV, rf"^({variable}=)(.*)$", lambda match: match[1] + text.replace("{value}", match[2]))


def _rename(variable: str, name: str) -> Callable[[Path], object]:
    return _substitute(_DOTENV, rf"^{variable}(?==)", lambda match: name)


def _append(variable: str) -> Callable[[Path], object]:
    return _edit(lambda raw: raw + f"{variable}={secrets.token_hex(32)}\n".encode())


def _move(root: Path) -> None:
    (root / _DOTENV).rename(root / "backend" / _DOTENV)


def _override(root: Path) -> None:
    line = f"      - OPENAI_API_KEY=sk-{secrets.token_hex(24)}\n"
    _substitute(_COMPOSE, r"^ +- REDIS_HOST=redis\n", lambda match: match[0] + line)(root)


def _refer(root: Path) -> None:
    name = "COINGECKO_API_KEY"
    entry = f'{{\n          name      = "{name}"\n          valueFrom = "${{var.secrets_arn}}:{name}::"\n        }},\n'
    _substitute(_ECS, r"^ +\{\n.*\"SMTP_PASSWORD\"\n", lambda match: f"        {entry}{match[0]}")(root)


_local, _drift = partial(_fault, LOCAL), partial(_fault, DRIFT)
FAULTS = (
    _local("dotenv-missing", "The .env is in backend/ instead of the top of the checkout.", _NO_START, _move),
    _local(
        "crlf", "The .env has the line ends of Windows.", _OTHER_VALUE, _edit(lambda raw: raw.replace(b"\n", b"\r\n"))
    ),
    _local("unterminated", "A quote in the .env is not closed.", _NO_START, _line("SECRET_KEY", '"{value}')),
    _local(
        "unreadable-line",
        "SECRET_KEY is set in PowerShell's syntax.",
        _OTHER_VALUE,
        _rename("SECRET_KEY", "$env:SECRET_KEY"),
    ),
    _local(
        "duplicate-variable", "SECRET_KEY is in the .env twice, with two values.", _OTHER_VALUE, _append("SECRET_KEY")
    ),
    _local("permissions", "Others can read the .env.", _EXPOSED, lambda root: (root / _DOTENV).chmod(0o644)),
    _local(
        "dollar",
        "FIRST_SUPERUSER_PASSWORD has a $ that Docker Compose replaces.",
        _OTHER_VALUE,
        _line("FIRST_SUPERUSER_PASSWORD", "{value}$word"),
        needs_compose=True,
    ),
    _local(
        "hash",
        "FIRST_SUPERUSER_PASSWORD has a # with a blank before it.",
        _OTHER_VALUE,
        _line("FIRST_SUPERUSER_PASSWORD", "{value} #word"),
    ),
    _local("required-empty", "OPENAI_API_KEY is empty in the .env.", _NO_START, _line("OPENAI_API_KEY", "")),
    _local(
        "misspelt", "OPENAI_API_KEY is misspelt in the .env.", _NO_START, _rename("OPENAI_API_KEY", "OPENAI_APIKEY")
    ),
    _local(
        "environment-literal",
        "ENVIRONMENT is production in the .env.",
        _OTHER_VALUE,
        _line("ENVIRONMENT", "production"),
    ),
    _local("settings-refused", "POSTGRES_PORT is no number.", _NO_START, _line("POSTGRES_PORT", "database")),
    _local(
        "environment-wins",
        "The Compose file has an OPENAI_API_KEY of its own.",
        _OTHER_VALUE,
        _override,
        needs_compose=True,
    ),
    _drift(
        "template-lacks", "The template has no OPENAI_API_KEY.", _LACKS, _without(_TEMPLATE, r"^OPENAI_API_KEY=.*\n")
    ),
    _drift(
        "settings-lacks", "Settings does not read SENTRY_DSN.", _NOT_READ, _without(_SETTINGS, r"^ +SENTRY_DSN:.*\n")
    ),
    _drift(
        "compose-lacks",
        "The Compose file gives the backend no .env.",
        _NOT_READ,
        _without(_COMPOSE, r"(?<=started\n) +env_file:\n +- \.env\n"),
    ),
    _drift(
        "terraform-lacks",
        "Terraform's files have no reference to SMTP_PASSWORD.",
        _NEXT_APPLY,
        _without(_ECS, r"^ +\{\n.*\"SMTP_PASSWORD\"\n.*\n +\},\n"),
    ),
    _drift(
        "terraform-ahead",
        "Terraform's files have a reference to COINGECKO_API_KEY that was not applied.",
        _NEXT_APPLY,
        _refer,
    ),
)
