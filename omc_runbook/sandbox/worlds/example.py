"""A sandbox's example checkout: the platform's files, a developer's .env, and one commit if git is installed."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

from omc_runbook.model.errors import RunbookError

NAME = "ohmycoins"
BEHIND = ("RATE_LIMIT_PER_MINUTE", "COLLECTOR_SYMBOLS", "FEATURE_ALERTS")
"""Variables of the template that the .env lacks, for local_setup to add."""

_TEXTS = Path(__file__).parents[1] / "checkout"
# Keeps git, Python and other tools from acting on these files where they are.
_SUFFIX = ".txt"
_ASSIGNMENT = re.compile(r"^([A-Z][A-Z0-9_]*)=.*$")
_EMPTY = ("SMTP_HOST", "SMTP_USER", "SMTP_PASSWORD", "SENTRY_DSN")
_GIT_SECONDS = 20
# Overrides the machine's own configuration, and starts nothing in the background.
_OPTIONS = (
    *("-c", "init.defaultBranch=main", "-c", "core.autocrlf=false", "-c", "core.hooksPath=/dev/null"),
    *("-c", "commit.gpgSign=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false"),
    *("-c", "user.name=A Developer", "-c", "user.email=developer@ohmycoins.test"),
)


def files() -> dict[str, bytes]:
    """Every file of the platform by its path in a checkout; there is no .env among them."""
    return {
        path.relative_to(_TEXTS).as_posix().removesuffix(_SUFFIX): path.read_bytes()
        for path in sorted(_TEXTS.rglob(f"*{_SUFFIX}"))
    }


def make(directory: Path) -> Path:
    """Make the checkout in a sandbox's directory, with a healthy .env; raises RunbookError if it cannot be written."""
    root = directory / NAME
    # A sandbox that was killed may have had the same port.
    shutil.rmtree(root, ignore_errors=True)
    try:
        for name, content in files().items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _write_dotenv(root)
    except OSError as error:
        raise RunbookError(f"The example checkout cannot be written to {root}: {error.strerror}.") from None
    if shutil.which("git") and not _commit(root):
        shutil.rmtree(root / ".git", ignore_errors=True)
    # Private, like every file of a sandbox.
    for path in (root, *root.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return root


def find(directory: Path) -> Path | None:
    """The checkout in a sandbox's directory, or None if it is gone."""
    root = directory / NAME
    return root if root.is_dir() else None


def _write_dotenv(root: Path) -> None:
    values = dict.fromkeys(_EMPTY, "") | _new_values()
    lines = []
    for line in (root / ".env.template").read_text(encoding="utf-8").splitlines():
        assignment = _ASSIGNMENT.match(line)
        name = assignment[1] if assignment else ""
        if name not in BEHIND:
            lines.append(f"{name}={values[name]}" if name in values else line)
    descriptor = os.open(root / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _new_values() -> dict[str, str]:
    """New strong values that need no quotes in a .env."""
    return {
        "SECRET_KEY": secrets.token_hex(32),
        "POSTGRES_PASSWORD": secrets.token_hex(24),
        "FIRST_SUPERUSER": "developer@ohmycoins.test",
        "FIRST_SUPERUSER_PASSWORD": secrets.token_hex(16),
        "OPENAI_API_KEY": f"sk-{secrets.token_hex(24)}",
    }


def _commit(root: Path) -> bool:
    """Make a work tree of one commit; returns whether git could."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    for words in (
        ("init", "--quiet", "--template="),
        ("add", "--all"),
        ("commit", "--quiet", "--no-verify", "--message", "The platform"),
    ):
        command = ["git", "-C", str(root), *_OPTIONS, *words]
        try:
            result = subprocess.run(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_GIT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        if result.returncode:
            return False
    return True
