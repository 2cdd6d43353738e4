"""A person's desk for end-to-end tests: runs are made at it, and searched afterwards for what must not be there."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from support import forked_command

from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import World

ENGINES = pytest.mark.parametrize("engine", [(), ("--kernel",)], ids=["own process", "kernel"])
"""The words by which `omc-runbook run` runs a notebook in its own process, and in a kernel."""
SECRET = "ohmycoins-staging-app-secrets"
COMMAND = Path(sys.executable).with_name("omc-runbook")
PAPERMILL = Path(sys.executable).with_name("papermill")
NBCONVERT = Path(sys.executable).with_name("jupyter-nbconvert")
_CALLER = "user-"
"""How the names of those begin who call with policies of a test."""


class Desk:
    """A person's desk: an empty home, a folder for temporary files, a working folder, and a sandbox to look at."""

    def __init__(self, root: Path, sandbox: Sandbox) -> None:
        self.root, self.sandbox = root, sandbox
        self.variables = dict(os.environ) | sandbox.variables
        # A socket's path has at most 107 bytes: tests whose commands start a fork server have short names.
        self.variables |= {"TMPDIR": str(root / "tmp"), "HOME": str(root / "home"), "MPLCONFIGDIR": str(root / "mpl")}
        for name in ("tmp", "home", "work"):
            (root / name).mkdir()

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def record(self) -> Path:
        return self.work / "out"

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`omc-runbook run verify` with its record in the working folder."""
        command = [str(COMMAND), "run", "verify", "--record", str(self.record), *arguments]
        return self.call(command, **variables)

    def call(self, command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the working folder; one of Python's own in a fork, which is quicker."""
        if command[0] in map(str, (COMMAND, PAPERMILL, NBCONVERT)):
            return forked_command.run(command, self.variables | variables, self.work)
        return self.start(command, **variables)

    def start(self, command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the working folder, from the start of its interpreter."""
        return subprocess.run(
            command, env=self.variables | variables, cwd=self.work, capture_output=True, text=True, timeout=120
        )

    def outcome(self) -> dict[str, Any]:
        return json.loads((self.record / "outcome.json").read_text())

    def written(self) -> Iterator[tuple[str, bytes]]:
        """Every file under the desk, with its content."""
        for path in self.root.rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes()


def client(sandbox: Sandbox, service: str) -> Any:
    return World(sandbox.endpoint, credentials=sandbox.credentials).client(service)


def sign_in(sandbox: Sandbox, patch: pytest.MonkeyPatch) -> None:
    """Let this process, and what it starts, call a sandbox as its administrator."""
    for name, value in sandbox.variables.items():
        patch.setenv(name, value)


def caller(sandbox: Sandbox, *documents: str) -> dict[str, str]:
    """The variables of somebody who has these policies alone."""
    iam, user = client(sandbox, "iam"), f"{_CALLER}{secrets.token_hex(4)}"
    iam.create_user(UserName=user)
    for number, document in enumerate(documents):
        iam.put_user_policy(UserName=user, PolicyName=f"policy-{number}", PolicyDocument=document)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def remove_callers(sandbox: Sandbox) -> None:
    """Remove everybody whom `caller` made."""
    iam = client(sandbox, "iam")
    for user in (each["UserName"] for each in iam.list_users()["Users"] if each["UserName"].startswith(_CALLER)):
        for policy in iam.list_user_policies(UserName=user)["PolicyNames"]:
            iam.delete_user_policy(UserName=user, PolicyName=policy)
        for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
        iam.delete_user(UserName=user)


def deny(sandbox: Sandbox, patch: pytest.MonkeyPatch, action: str) -> None:
    """Go on as somebody who may do everything but one thing."""
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": action, "Resource": "*"},
    ]
    for name, text in caller(sandbox, json.dumps({"Version": "2012-10-17", "Statement": statements})).items():
        patch.setenv(name, text)


def health(url: str) -> int:
    """What a task answers to GET /health; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def values(sandbox: Sandbox) -> list[str]:
    """The values of the current version that nobody may find anywhere; the mail server's name is everywhere."""
    text = client(sandbox, "secretsmanager").get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")[
        "SecretString"
    ]
    return [value for value in json.loads(text).values() if isinstance(value, str) and len(value) >= 16]


def spellings(value: str) -> list[bytes]:
    """A value as it may stand in a file: plain, its pieces, in URLs, hex and base64 at three alignments."""
    raw = value.encode()
    # The scheme of a URL is no secret: eight of its first ten characters stand on any page with links.
    core = raw.rpartition(b"://")[2]
    encoded = [base64.b64encode(b"x" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return [raw, core[:10], core[-10:], quote(value, safe="").encode(), raw.hex().encode(), *encoded]


def assert_nothing_leaked(desk: Desk, secret_values: list[str], *outputs: str) -> None:
    assert secret_values
    contents = [*desk.written(), *((f"output {number}", text.encode()) for number, text in enumerate(outputs))]
    leaked = [
        f"{location}: value {which} in spelling {how}"
        for location, content in contents
        for which, value in enumerate(secret_values)
        for how, spelling in enumerate(spellings(value))
        if spelling in content
    ]
    assert not leaked, leaked
