"""A person's workplace: a sandbox, a desk with a checkout, and what must be whole there whatever happened."""

from __future__ import annotations

import importlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import CONSUMERS, SECRET, World

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests"))
forked: Any = importlib.import_module("support.forked_command")
small_world: Any = importlib.import_module("support.small_world")
make_platform: Any = importlib.import_module("support.platform_checkout").make_platform

COMMAND = str(Path(sys.executable).with_name("omc-runbook"))
SECONDS = 180.0
"""After which a run counts as one that does not end."""
PRIVATE = 0o600


class Workplace:
    """A sandbox and a desk: a home, a folder for temporary files, one for work with `records`, and a checkout."""

    def __init__(self, root: Path, sandbox: Sandbox) -> None:
        self.root = root
        self.move_to(sandbox)
        for name in ("home", "tmp", "work"):
            (root / name).mkdir()
        (root / "checkout").mkdir()
        self.platform = make_platform(root / "checkout")
        self.secret = SECRET

    def move_to(self, sandbox: Sandbox) -> None:
        """Go on with another sandbox."""
        self.sandbox, self.world = sandbox, World(sandbox.endpoint)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of whoever works here."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OMC_"))}
        folder_of = {"HOME": "home", "TMPDIR": "tmp", "MPLCONFIGDIR": "tmp"}
        own |= {name: str(self.root / folder) for name, folder in folder_of.items()}
        own |= {"OMC_CACHE": "off", "NEW_VALUE": self.new_value, "NO_PROXY": "127.0.0.1"}
        return own | self.sandbox.variables | {"OMC_REPOSITORY": str(self.platform.root)}

    new_value = ""
    """What the variable NEW_VALUE has."""

    @property
    def work(self) -> Path:
        """The folder in which one works."""
        return self.root / "work"

    @property
    def records(self) -> Path:
        """The folder of records."""
        return self.work / "records"

    def draw_value(self) -> str:
        """Another value for the variable NEW_VALUE."""
        self.new_value = secrets.token_hex(24)
        return self.new_value

    def run(
        self, runbook: str, words: Sequence[str], more: Mapping[str, str] | None = None, seconds: float = SECONDS
    ) -> Any:
        """`omc-runbook run` to its end; raises subprocess.TimeoutExpired where it has none in so many seconds."""
        return forked.run(self.command(runbook, words), self.variables | dict(more or {}), self.work, seconds)

    def call(self, *words: str) -> Any:
        """Another command of omc-runbook, to its end."""
        return forked.run([COMMAND, *words], self.variables, self.work, SECONDS)

    def command(self, runbook: str, words: Sequence[str]) -> list[str]:
        """The words of a headless run."""
        return [COMMAND, "run", runbook, "--summary", "--record", str(self.records), *words]

    def stages(self) -> dict[str, list[str]]:
        """The secret's versions with their labels."""
        return self.world.secretsmanager.describe_secret(SecretId=self.secret)["VersionIdsToStages"]

    def version_at(self, label: str) -> str:
        """The version with a label."""
        return next((version for version, labels in self.stages().items() if label in labels), "")

    def members(self, version: str = "") -> dict[str, Any]:
        """The secret's members, in the current version or another."""
        which = {"VersionId": version} if version else {"VersionStage": "AWSCURRENT"}
        text = self.world.secretsmanager.get_secret_value(SecretId=self.secret, **which)["SecretString"]
        return json.loads(text)

    def wrong_secret(self, members: Mapping[str, Any]) -> str:
        """How the secret differs from a document, in keys, or what is wrong with its labels; "" for nothing."""
        labels = [label for labels in self.stages().values() for label in labels]
        own = sorted({label for label in labels if not label.startswith("AWS")})
        if labels.count("AWSCURRENT") != 1 or own:
            return f"AWSCURRENT is on {labels.count('AWSCURRENT')} versions, and these labels are left: {own}"
        now = self.members()
        keys = sorted(key for key in {*members, *now} if members.get(key) != now.get(key))
        return f"other than expected: {', '.join(keys)}" if keys else ""

    def wrong_tasks(self) -> str:
        """Which services have tasks without the current values; "" where all have them."""
        lifecycle.settle(self.sandbox)
        members, wrong, names = self.members(), set(), {service.name for service in CONSUMERS}
        tasks = [task for task in lifecycle.status(self.sandbox)["tasks"] if task["service"] in names]
        for task in tasks:
            environment = small_world.environment_of(task["pid"])
            wrong |= {
                f"{task['service']}: {key}"
                for key in members.keys() & environment.keys()
                if members[key] != environment[key]
            }
        missing = names - {task["service"] for task in tasks}
        wrong |= {f"{name}: no task" for name in missing}
        return f"tasks without the current value: {', '.join(sorted(wrong))}" if wrong else ""

    def wrong_files(self) -> str:
        """Which of our own files are cut, open to others or left over; "" where none is."""
        wrong = []
        for path in sorted(self.records.rglob("*")) if self.records.exists() else ():
            if path.is_dir():
                continue
            name = path.relative_to(self.records)
            if path.stat().st_mode & 0o777 != PRIVATE:
                wrong.append(f"{name} has mode {path.stat().st_mode & 0o777:o}")
            if path.name.startswith(".") and path.suffix != ".seal":
                wrong.append(f"{name} is left")
            if path.name.endswith(".state.json"):
                wrong.append(f"{name} is left, though all is done")
            if path.suffix in (".json", ".ipynb") and not _is_json(path):
                wrong.append(f"{name} is no whole JSON")
        return ", ".join(wrong)

    def left_over(self) -> list[str]:
        """What is in the folder for temporary files."""
        return sorted(path.name for path in (self.root / "tmp").iterdir())


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def runs(process: int) -> bool:
    """Whether a process runs; one that has ended, but was not waited for, has no command."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


def last_line(ended: subprocess.CompletedProcess[str]) -> str:
    """The last line that a run printed: the record's path apart."""
    lines = [line.strip() for line in f"{ended.stdout}\n{ended.stderr}".splitlines() if line.strip()]
    return next((line for line in reversed(lines) if not line.startswith("Record:")), "nothing was printed")


@contextmanager
def new_workplace(database: bool = False) -> Iterator[Workplace]:
    """A workplace with a sandbox of its own, or one with a database; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="hold-workplace-") as folder:
        sandbox = lifecycle.up(database=database, is_attached=True)
        try:
            workplace = Workplace(Path(folder), sandbox)
            yield workplace
            sandbox = workplace.sandbox
        finally:
            lifecycle.down(sandbox)
