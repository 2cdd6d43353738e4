"""Worlds that differ from the guide's: other spellings of each fault, and what is healthy all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from snapshots import (
    ACCOUNT,
    ARN,
    NAME,
    NOW,
    WORKER_KEYS,
    definition_arn,
    healthy,
    stuck,
    with_container,
    with_reference,
    with_service,
)

from omc_runbook.aws.ecs import Injection
from omc_runbook.catalogue import default_keys
from omc_runbook.diagnosis import diagnose
from omc_runbook.reference import parse
from omc_runbook.snapshot.state import Snapshot

pytestmark = pytest.mark.usefixtures("own_registry")

EXITED = "EssentialContainerExited"
PULL = "ResourceInitializationError: unable to pull secrets or registry auth: "


def root_causes(snapshot: Snapshot) -> list[str]:
    """What the diagnosis of a snapshot calls a cause."""
    return list(dict.fromkeys(finding.check for finding in diagnose(snapshot) if finding.is_root_cause))


def unsure(snapshot: Snapshot) -> list[str]:
    """The checks of which the diagnosis cannot tell."""
    return [finding.check for finding in diagnose(snapshot) if finding.status == "unknown"]


@pytest.mark.parametrize(
    ("value_from", "cause"),
    [
        (f" {ARN}:SECRET_KEY::", "arn-malformed"),
        (f"{ARN}:SECRET_KEY:: ", "arn-malformed"),
        (f"{ARN.replace('secretsmanager', 'secretmanager')}:SECRET_KEY::", "arn-malformed"),
        (f"{ARN.removeprefix('arn:')}:SECRET_KEY::", "arn-malformed"),
        (f"{ARN[:-6]}??????:SECRET_KEY::", "arn-malformed"),
        (f"{ARN[:-6]}*:SECRET_KEY::", "arn-malformed"),
        ("${var.secrets_arn}:SECRET_KEY::", "arn-malformed"),
        (f"{ARN.replace('arn:aws:', 'arn:aws-us-gov:')}:SECRET_KEY::", "wrong-partition"),
        (f"{ARN.replace('staging', 'production')}:SECRET_KEY::", "other-environment"),
        (f"{NAME}:SECRET_KEY::", "bare-name"),
        (f"arn:aws:ssm:ap-southeast-2:{ACCOUNT}:parameter/{NAME}", "bare-name"),
    ],
)
def test_spellings_of_a_wrong_reference(value_from: str, cause: str) -> None:
    """However a reference is wrong, it is the one cause of the tasks that do not start."""
    failing = stuck(healthy(), "worker", f"{PULL}execution resource retrieval failed")
    assert root_causes(with_reference(failing, "worker", "SECRET_KEY", value_from)) == [cause]


@pytest.mark.parametrize(
    "value_from",
    [
        f"arn:aws:ssm:ap-southeast-2:{ACCOUNT}:parameter/{NAME}/url",
        f"/ohmycoins/{NAME}/SECRET_KEY",
        f"{ARN.replace('-app-', '-other-')}:TOKEN::",
        ARN.replace("app-secrets", "app-secrets-legacy"),
        f"{ARN}:OPENAI_API_KEY:AWSCURRENT:",
    ],
)
def test_references_that_are_right(value_from: str) -> None:
    """A parameter or a secret of another name is nobody's fault, and neither is the current stage by its name."""
    snapshot = with_reference(healthy(), "worker", "OPENAI_API_KEY", value_from)
    assert (root_causes(snapshot), unsure(snapshot)) == ([], [])


def injecting(snapshot: Snapshot, name: str, **variables: str) -> Snapshot:
    """Let a service's new revision inject keys under these variables, and its tasks exit while the old ones serve."""
    secrets = tuple(Injection(variable, parse(f"{ARN}:{key}::")) for variable, key in variables.items())
    old = snapshot.task_definitions[definition_arn(name)]
    new = replace(
        old,
        arn=definition_arn(name, 8),
        revision=8,
        containers=(replace(old.containers[0], secrets=secrets),),
    )
    failing = stuck(snapshot, name, "Essential container in task exited", started=NOW, stop_code=EXITED)
    service = next(service for service in failing.services if service.name == name)
    primary, *others = service.deployments
    deployments = (replace(primary, task_definition_arn=new.arn), *others)
    moved = with_service(failing, name, task_definition_arn=new.arn, deployments=deployments)
    return replace(moved, task_definitions={**snapshot.task_definitions, new.arn: new})


@pytest.mark.parametrize(
    ("name", "variables", "cause"),
    [
        ("worker", {"SECRET_KEY": "SECRET_KEY", "DB_PASS": "POSTGRES_PASSWORD", "OPENAI_API_KEY": "OPENAI_API_KEY"}, 0),
        ("worker", {"SECRET_KEY": "SECRET_KEY", "POSTGRES_PASSWORD": "POSTGRES_PASSWORD"}, 1),
        ("worker", {key: "SECRET_KEY" if key == "OPENAI_API_KEY" else key for key in WORKER_KEYS}, 0),
        ("backend", {"DB_PASS" if key == "POSTGRES_PASSWORD" else key: key for key in default_keys()}, 0),
        ("backend", {key: key for key in default_keys() if key != "OPENAI_API_KEY"}, 1),
    ],
)
def test_a_variable_that_a_new_revision_lost(name: str, variables: dict[str, str], cause: int) -> None:
    """A revision that fails is held against the one that serves: what it calls otherwise, and what it dropped."""
    assert root_causes(injecting(healthy(), name, **variables)) == [("name-mismatch", "key-unreferenced")[cause]]


def test_names_of_another_services_own() -> None:
    """A service that is no part of the application may call a key as it likes, as long as it runs."""
    entry = Injection("DATA_SOURCE_PASS", parse(f"{ARN}:POSTGRES_PASSWORD::"))
    renamed = with_container(healthy(), "worker", lambda old: replace(old, secrets=(entry,)))
    assert root_causes(renamed) == []
