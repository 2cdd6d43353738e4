"""Faults of a checkout's files and of what reads them: how a folder gets such a checkout, and what run finds it."""

from __future__ import annotations

import importlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omc_runbook.sandbox import faults
from omc_runbook.sandbox.faults import checkout
from omc_runbook.sandbox.worlds.build import good_document
from omc_runbook.sandbox.worlds.staging import SECRET, World

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))
dotenv_faults: Any = importlib.import_module("support.dotenv_faults")
platforms: Any = importlib.import_module("support.platform_checkout")
small_platform: Any = importlib.import_module("support.local_setup_runs").small_platform
STANDIN = Path(__file__).parent / "standin"

CHECKOUT = "checkout"
VERIFY = f"omc-runbook run verify -p environment staging -p repository {CHECKOUT}"
AUDIT = f"omc-runbook run audit -p environment staging -p repository {CHECKOUT}"
SETUP = f"omc-runbook run local_setup -p environment local -p repository {CHECKOUT} -p allow_code true"
NO_ENGINE = "It needs a Docker engine, whose words a stand-in says here."

Change = Callable[[Any], object]
"""A change to a checkout, which comes as `support.platform_checkout.Platform`."""

_WORKFLOW = """\
on: push
jobs:
  test:
    env:
      SECRET_KEY: ${{ secrets.SECRET_KEY }}
      POSTGRES_PASSWORD: ${{ secrets.POSTGRES_PASSWORD }}
      FIRST_SUPERUSER_PASSWORD: ${{ secrets.FIRST_SUPERUSER_PASSWORD }}
      OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}
    steps:
      - run: docker compose up -d
"""
_REFUSED = """\
backend-1  | pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings
backend-1  | BINANCE_API_KEY
backend-1  |   Value error, too old [type=value_error]
"""
_OLD_VOLUME = """\
db-1       | PostgreSQL Database directory appears to contain a database; Skipping initialization
backend-1  | connection to server at "db" failed: FATAL:  password authentication failed for user "postgres"
"""
_NO_NETWORK = "network traefik-public declared as external, but could not be found"


@dataclass(frozen=True, kw_only=True)
class FileCase:
    """A fault of a checkout: `make` puts it into a folder as `checkout`, and `run` is the command that finds it."""

    name: str
    fault: str
    make: Callable[[Path], object]
    run: str = VERIFY
    before: str = ""
    """What stands in the shell before the first run."""
    looks_at_aws: bool = True
    obstacle: str = ""
    """Why its remedies cannot be pasted here."""


def find(name: str) -> FileCase:
    """A case by its name."""
    return next(case for case in (*FILES, *LOCAL) if case.name == name)


def _world() -> World:
    return World(os.environ["AWS_ENDPOINT_URL"])


def _drilled(fault: str) -> FileCase:
    """A fault of drift as a drill makes it."""

    def make(folder: Path) -> None:
        endpoint = os.environ["AWS_ENDPOINT_URL"]
        checkout.remove_copy(endpoint)
        faults.break_(endpoint, fault)
        shutil.move(checkout.copy_of(endpoint), folder / CHECKOUT)

    return FileCase(name=f"{checkout.DRIFT}/{fault}", fault=fault, make=make)


def _edited(fault: str, change: Change, run: str = VERIFY) -> FileCase:
    """The sandbox's example checkout with a change."""

    def make(folder: Path) -> None:
        shutil.copytree(os.environ["OMC_REPOSITORY"], folder / CHECKOUT, symlinks=True)
        change(platforms.Platform(folder / CHECKOUT))

    return FileCase(name=f"{checkout.DRIFT}/{fault}", fault=fault, make=make, run=run)


def _local(fault: str, change: Change, run: str = SETUP, looks_at_aws: bool = False, **more: str) -> FileCase:
    """A small checkout in git with a healthy .env, and a change."""

    def make(folder: Path) -> None:
        platform = small_platform(folder / CHECKOUT)
        platform.write_dotenv()
        change(platform)

    name = f"{checkout.LOCAL}/{fault}"
    return FileCase(name=name, fault=fault, make=make, run=run, looks_at_aws=looks_at_aws, **more)


def _initial_value(old: str, new: str) -> Change:
    return lambda platform: platform.secrets_tf.write_text(platform.secrets_tf.read_text().replace(old, new))


def _without_line(name: str) -> Change:
    """Terraform's initial value without a key."""

    def change(platform: Any) -> None:
        lines = platform.secrets_tf.read_text().splitlines(keepends=True)
        platform.secrets_tf.write_text("".join(line for line in lines if f'"{name}"' not in line))

    return change


def _workflow(text: str) -> Change:
    def change(platform: Any) -> None:
        folder = platform.root / ".github" / "workflows"
        folder.mkdir(parents=True)
        (folder / "test.yml").write_text(text)

    return change


def _asks_for(variable: str) -> Change:
    code = f'import os\n\nkey = os.getenv("{variable}")\n'
    return lambda platform: (platform.root / "backend/app/crypto.py").write_text(code)


def _other_secret(platform: Any) -> None:
    """Production's secret, which lacks a key that staging's has."""
    document = {name: secrets.token_hex(16) for name in good_document(_world()) if name != "SMTP_PASSWORD"}
    name = SECRET.replace("staging", "production")
    _world().secretsmanager.create_secret(Name=name, SecretString=json.dumps(document))


def _with_value(platform: Any) -> None:
    """A file that has a value of the secret."""
    (platform.root / "notes.json").write_text(json.dumps({"smtp": good_document(_world())["SMTP_PASSWORD"]}))


def _had_value(platform: Any) -> None:
    """A commit that has a value of the secret, and one that removes it."""
    path = platform.root / "notes.txt"
    path.write_text(f"the key is\n{good_document(_world())['SECRET_KEY']}\n")
    for name, value in (("user.name", "A Developer"), ("user.email", "developer@ohmycoins.test")):
        platform.git("config", name, value)
    platform.commit("Add notes")
    path.unlink()
    platform.commit("Remove notes")


FILES = (
    *(_drilled(each.id) for each in checkout.FAULTS if each.family == checkout.DRIFT),
    _edited("environment-lacks", _other_secret),
    _edited("unprovided", _asks_for("ENCRYPTION_KEY")),
    _edited("initial-lacks", _without_line("SENTRY_DSN")),
    _edited("list-lacks", _workflow(_WORKFLOW.replace("      OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}\n", ""))),
    _edited("initial-alone", _initial_value('"SENTRY_DSN" ', '"LEGACY_TOKEN" ')),
    _edited(
        "list-alone",
        _workflow(_WORKFLOW.replace("    steps:", "      LEGACY_TOKEN: ${{ secrets.LEGACY_TOKEN }}\n    steps:")),
    ),
    _edited("value-in-file", _with_value, AUDIT),
    _edited("value-in-history", _had_value, AUDIT),
)
"""Drift between files and AWS, and values in a checkout."""


def _reused(platform: Any) -> None:
    platform.write_dotenv(SECRET_KEY=good_document(_world())["SECRET_KEY"])


def _unset(platform: Any) -> None:
    platform.edit(platform.compose, "- REDIS_HOST=redis\n", "- REDIS_HOST=redis\n      - ALPHA=${ALPHA_KEY}\n")


def _profile(platform: Any) -> None:
    platform.edit(platform.compose, "  backend:\n", "  backend:\n    profiles: [app]\n")


def _refused(platform: Any) -> None:
    platform.edit(platform.compose, "- REDIS_HOST=redis\n", "- REDIS_HOST=redis\n      - ALPHA=${ALPHA\n")


def _real_template(platform: Any) -> None:
    platform.edit(platform.template, "\nSECRET_KEY=your-secret-key-here\n", f"\nSECRET_KEY={secrets.token_hex(24)}\n")


def _started(fault: str, log: str = "", failure: str = "") -> FileCase:
    """A start of the application, of which a stand-in for docker says how it went."""
    settings = {"STANDIN_DOCKER_COMPOSE": str(shutil.which("docker-compose"))}
    settings |= {"STANDIN_DOCKER_LOGS": "log"} if log else {"STANDIN_DOCKER_FAILS": failure}
    words = [f"export PATH={STANDIN}:$PATH", *(f"export {name}='{value}'" for name, value in settings.items())]
    # The stand-in is called elsewhere.
    before = "\n".join(words).replace("'log'", '"$PWD/log"')
    return _local(
        fault,
        lambda platform: (platform.root.parent / "log").write_text(log),
        f"{SETUP} -p apply true",
        before=before,
        obstacle=NO_ENGINE,
    )


def _of_dotenv() -> Iterator[FileCase]:
    """The first case of each fault that a change to the .env makes."""
    cases = {case.fault: case for case in reversed((*dotenv_faults.FAULTS, *dotenv_faults.SINGLE)) if case.fault}
    ids = dict.fromkeys(case.fault for case in (*dotenv_faults.FAULTS, *dotenv_faults.SINGLE) if case.fault)
    return (_local(fault, cases[fault].change) for fault in ids)


LOCAL = (
    *_of_dotenv(),
    _local("reused", _reused, SETUP.replace("environment local", "environment staging"), looks_at_aws=True),
    _local("compose-refused", _refused),
    _local("compose-profile", _profile),
    _local("compose-unset", _unset),
    _local("shell-wins", lambda platform: None, before=f"export SECRET_KEY={secrets.token_hex(16)}"),
    _local("template-value", _real_template),
    _started("compose-up", failure=f"up:{_NO_NETWORK}"),
    _started("pg-volume", _OLD_VOLUME),
    _started("start-refused", _REFUSED),
)
"""Faults of a developer's machine."""
