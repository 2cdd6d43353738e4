"""A sandbox whose secret has the ten awkward values besides its own, in tasks that run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.hold.awkward import Awkward
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.faults.change import revise
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.build import good_document
from omc_runbook.sandbox.worlds.staging import SECRET, World

SERVICE = "worker"


@dataclass(frozen=True)
class AwkwardWorld:
    """The sandbox and its world."""

    sandbox: Sandbox
    world: World

    def put(self, values: Sequence[Awkward]) -> None:
        """Make a version with these values and the world's good ones; tasks keep what they have."""
        document = good_document(self.world) | {value.key: value.text for value in values}
        self.world.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=json.dumps(document))

    def versions(self, secret: str = SECRET) -> list[Awkward]:
        """The values of all versions of a secret: those that runs have generated, too."""
        api, values_by_text = self.world.secretsmanager, dict[str, Awkward]()
        names = [each["Name"] for each in api.list_secrets(IncludePlannedDeletion=False)["SecretList"]]
        if secret not in names:
            return []
        for version in api.list_secret_version_ids(SecretId=secret, IncludeDeprecated=True)["Versions"]:
            text = api.get_secret_value(SecretId=secret, VersionId=version["VersionId"])["SecretString"]
            values_by_text |= {value.text: value for value in random_values(json.loads(text))}
        return [*values_by_text.values()]

    def refer(self, values: Sequence[Awkward]) -> None:
        """Let a service's tasks have each of these keys, and wait until they run."""
        arn = self.world.secretsmanager.describe_secret(SecretId=SECRET)["ARN"]
        revise(
            self.world,
            SERVICE,
            lambda container: container["secrets"].extend(
                {"name": each.key, "valueFrom": f"{arn}:{each.key}::"} for each in values
            ),
        )
        self.world.settle()


def random_values(document: Mapping[str, str]) -> Iterator[Awkward]:
    """The values of the sandbox, and those that were generated: they are random within a run of characters."""
    for key, value in document.items():
        core = max(re.findall(r"[A-Za-z0-9_-]{16,}", value.removeprefix("sk-")), key=len, default="")
        # A placeholder is no secret.
        if re.search(r"\d", core) and not key.startswith("AWKWARD") and not value.startswith("<"):
            yield Awkward(key, value, (core,))


@contextmanager
def awkward_world(values: Sequence[Awkward]) -> Iterator[AwkwardWorld]:
    """Start a sandbox with these values; it ends with the context."""
    sandbox = lifecycle.up(is_attached=True)
    try:
        world = AwkwardWorld(sandbox, World(sandbox.endpoint))
        world.put(values)
        world.refer(values)
        yield world
    finally:
        lifecycle.down(sandbox)
