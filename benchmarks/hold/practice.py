"""The values of a sandbox that a run starts by itself, as onboarding does, read from outside while it runs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from benchmarks.hold.awkward import Awkward
from benchmarks.hold.world import random_values
from omc_runbook.sandbox.account import REGION

LOOK_SECONDS = 0.3
GONE_SECONDS = 30.0
"""Within which a sandbox has to end after the run that started it."""


class Practice:
    """What is known of the sandboxes below some folders for temporary files."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders, self._has_ended = folders, threading.Event()
        self._values: dict[str, Awkward] = {}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def values(self) -> list[Awkward]:
        """All values that its secrets and `.env` files had."""
        return [*self._values.values()]

    def end(self) -> str:
        """Wait until no sandbox is left; what is, or ""."""
        deadline = time.monotonic() + GONE_SECONDS
        while (sandboxes := [*self._states()]) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        self._has_ended.set()
        self._thread.join()
        return f"left {len(sandboxes)} sandboxes" if sandboxes else ""

    def _states(self) -> Iterator[Path]:
        for folder in self._folders:
            yield from folder.glob("omc-sandbox-*/*/state.json")

    def _watch(self) -> None:
        while not self._has_ended.wait(LOOK_SECONDS):
            for state in self._states():
                # It may end at any moment.
                with suppress(OSError, ValueError, BotoCoreError, ClientError):
                    for document in _documents(state):
                        self._values |= {value.text: value for value in random_values(document)}


@contextmanager
def watched(folders: Sequence[Path]) -> Iterator[Practice]:
    """Watch these folders for sandboxes; the watch ends with the context."""
    practice = Practice(folders)
    try:
        yield practice
    finally:
        practice.end()


def _documents(state: Path) -> Iterator[dict[str, str]]:
    """The documents of all versions of a sandbox's secrets, and its `.env` files."""
    for dotenv in state.parent.rglob("*.env"):
        lines = dotenv.read_text(encoding="utf-8").splitlines()
        yield dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    own = json.loads(state.read_text(encoding="utf-8"))
    keys = own["credentials"]
    api = boto3.session.Session().client(
        "secretsmanager",
        region_name=REGION,
        endpoint_url=f"http://127.0.0.1:{own['port']}",
        aws_access_key_id=keys["access_key"],
        aws_secret_access_key=keys["secret_key"],
    )
    for secret in api.list_secrets()["SecretList"]:
        for version in api.list_secret_version_ids(SecretId=secret["ARN"], IncludeDeprecated=True)["Versions"]:
            text = api.get_secret_value(SecretId=secret["ARN"], VersionId=version["VersionId"])["SecretString"]
            yield {key: str(value) for key, value in json.loads(text).items()}
