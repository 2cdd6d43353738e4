"""A checkout of the platform in a folder of its own, for tests that read, load or edit one.

It is not called platform.py: Python has a module of that name, which a file beside the tests would hide.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from support.files import write_files
from support.platform_terraform import GUIDE, WILD, terraform_files

from omc_runbook.sandbox.worlds import example

References = Literal["guide", "wild"]
REQUIRED = ("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER", "FIRST_SUPERUSER_PASSWORD", "OPENAI_API_KEY")
"""The guide's keys without which a developer's .env is not complete."""

TERRAFORM = Path("infrastructure/terraform")
_CONFIGURATION = """[user]
\tname = A Developer
\temail = developer@ohmycoins.test
[maintenance]
\tauto = false
"""
"""A developer's, of whose repository no commit starts another git to see whether there is much to tidy up."""
ACTIVE = re.compile(r"^([A-Z][A-Z0-9_]*)=.*$", re.MULTILINE)


@dataclass(frozen=True)
class Platform:
    """A checkout, and where its files are."""

    root: Path

    @property
    def template(self) -> Path:
        return self.root / ".env.template"

    @property
    def dotenv(self) -> Path:
        return self.root / ".env"

    @property
    def config(self) -> Path:
        return self.root / "backend/app/core/config.py"

    @property
    def compose(self) -> Path:
        return self.root / "docker-compose.yml"

    @property
    def override(self) -> Path:
        return self.root / "docker-compose.override.yml"

    @property
    def main_tf(self) -> Path:
        return self.root / TERRAFORM / "modules/ecs/main.tf"

    @property
    def secrets_tf(self) -> Path:
        return self.root / TERRAFORM / "modules/secrets/main.tf"

    @property
    def staging(self) -> Path:
        """The folder in which one would run terraform apply for staging."""
        return self.root / TERRAFORM / "environments/staging"

    @property
    def production(self) -> Path:
        return self.root / TERRAFORM / "environments/production"

    def good_values(self) -> dict[str, str]:
        """New strong values for the guide's nine keys, fit for a URL and for a .env without quotes."""
        return {
            "SECRET_KEY": secrets.token_hex(32),
            "POSTGRES_PASSWORD": secrets.token_hex(24),
            "FIRST_SUPERUSER": f"admin-{secrets.token_hex(4)}@ohmycoins.test",
            "FIRST_SUPERUSER_PASSWORD": secrets.token_hex(16),
            "OPENAI_API_KEY": f"sk-{secrets.token_hex(16)}",
            "SMTP_HOST": "smtp.ohmycoins.test",
            "SMTP_USER": f"mailer-{secrets.token_hex(4)}@ohmycoins.test",
            "SMTP_PASSWORD": secrets.token_hex(16),
            "SENTRY_DSN": f"https://{secrets.token_hex(16)}@sentry.ohmycoins.test/4",
        }

    def write_dotenv(self, **changed: str | None) -> dict[str, str]:
        """Write a healthy .env, readable by nobody else, from the template, and give the values that were put in.

        The five required keys get new values and the four optional ones are empty. A change is written as it is
        given, quotes included, at the end where the template has no such line; None leaves the line out.
        """
        good = self.good_values()
        values: dict[str, str | None] = {name: good[name] if name in REQUIRED else "" for name in GUIDE}
        values |= changed
        names: set[str] = set()

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            names.add(name)
            return f"{name}={values.get(name)}" if name in values else match[0]

        left_out = {name for name, value in values.items() if value is None}
        lines = self.template.read_text().splitlines(keepends=True)
        template = "".join(line for line in lines if line.partition("=")[0] not in left_out)
        text = ACTIVE.sub(fill, template)
        added = [f"{name}={value}\n" for name, value in values.items() if name not in names | left_out]
        self.dotenv.unlink(missing_ok=True)
        self.dotenv.touch(mode=0o600)
        self.dotenv.write_text(text + "".join(added))
        return {name: value for name, value in values.items() if value is not None}

    def edit(self, path: Path, old: str, new: str) -> None:
        """Put another text in the place of one that a file has exactly once."""
        text = path.read_bytes().decode()
        assert text.count(old) == 1, f"{path.name} has the text to edit {text.count(old)} times"
        path.write_bytes(text.replace(old, new).encode())

    def git(self, *arguments: str) -> str:
        """What git says in this checkout, whatever the machine's own configuration is."""
        command = ["git", "-C", str(self.root), *arguments]
        ran = subprocess.run(command, env=_git_environment(self.root), capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def begin(self) -> None:
        """Make a repository of it, and commit everything that git does not ignore on branch main."""
        # Without the examples of hooks, which each copy of the checkout would copy.
        self.git("init", "--quiet", "--template=", "--initial-branch", "main")
        with (self.root / ".git/config").open("a") as config:
            config.write(_CONFIGURATION)
        self.commit("The platform")

    def commit(self, message: str = "Change") -> None:
        """Commit everything that git does not ignore."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def settings_environment(self, **variables: str) -> dict[str, str]:
        """The environment of a shell that has set none of the application's variables but these."""
        own = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
        return own | {"HOME": str(self.root), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"} | variables

    def run_backend(self, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Python code where the backend is started: in backend/, with nothing but .env and these variables."""
        command = [sys.executable, "-B", "-c", code]
        environment = self.settings_environment(**variables)
        return subprocess.run(
            command, cwd=self.root / "backend", env=environment, capture_output=True, text=True, timeout=60
        )


def make_platform(root: Path, git: bool = True, references: References = "guide") -> Platform:
    """Write a checkout into a folder, committed on branch main where git is wanted, and without a .env.

    The backend's task definition has the guide's nine references, or eleven of which some have a key of another name.
    """
    terraform = terraform_files(GUIDE if references == "guide" else WILD)
    ours = {str(TERRAFORM / name): text.encode() for name, text in terraform.items()}
    write_files(root, example.files() | ours)
    platform = Platform(root)
    if git:
        platform.begin()
    return platform


def _git_environment(root: Path) -> dict[str, str]:
    """No configuration but the checkout's own, and no repository that a hook may have named."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return own | {"LC_ALL": "C", "HOME": str(root), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
