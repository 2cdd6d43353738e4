"""`omc-runbook init` in the sandbox, from its checkout and its account, and verify with what it writes."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.moto_platform import PLATFORM
from support.runs import COMMAND, Desk, client, values

from omc_runbook.model.environment import load
from omc_runbook.sandbox.lifecycle import Sandbox

CLUSTER = "ohmycoins-staging"


def test_with_the_names_that_it_finds_the_sandbox_is_healthy(sandbox: Sandbox, tmp_path: Path) -> None:
    """From its checkout and its account: every name, none of them a value, and verify ends with 0."""
    desk = Desk(tmp_path, sandbox)
    words = [str(COMMAND), "init", "--repository", str(sandbox.repository), "-p", "environment", "staging"]
    ended = desk.call(words)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    path = desk.work / "runbook.toml"
    table = tomllib.loads(path.read_text())["environments"]["staging"]
    guide = load("staging").names.model_dump()
    names = {name: value for name, value in table.items() if name != "account_id"}
    assert names == {name: guide[name] for name in names} and len(names) == 8
    assert table["account_id"] == client(sandbox, "sts").get_caller_identity()["Account"]
    assert not [value for value in values(sandbox) if value in ended.stdout + path.read_text()]
    verified = desk.run("--summary")
    assert verified.returncode == 0, verified.stdout


def test_a_name_that_is_nearly_right_gets_the_one_that_was_meant(sandbox: Sandbox, tmp_path: Path) -> None:
    """Nothing is written."""
    desk = Desk(tmp_path, sandbox)
    ended = desk.call([str(COMMAND), "init", "-p", "environment", "stagin"])
    assert ended.returncode == 2 and "No name of stagin was found: did you mean staging? " in ended.stderr
    assert "did you mean" not in desk.call([str(COMMAND), "init", "-p", "environment", "qa"]).stderr
    assert not (desk.work / "runbook.toml").exists()


@pytest.fixture(scope="module")
def platform_cluster(sandbox: Sandbox) -> Iterator[str]:
    """Staging under the platform's own names: its services run no tasks on purpose."""
    ecs, name = client(sandbox, "ecs"), "ohmycoins-staging-cluster"
    services = ecs.describe_services(cluster=CLUSTER, services=["backend", "frontend"])["services"]
    ecs.create_cluster(clusterName=name)
    for service in services:
        ecs.create_service(
            cluster=name,
            serviceName=f"ohmycoins-staging-{service['serviceName']}",
            taskDefinition=service["taskDefinition"],
            desiredCount=0,
            launchType="FARGATE",
            networkConfiguration=service["networkConfiguration"],
        )
    yield name
    for service in services:
        ecs.delete_service(cluster=name, service=f"ohmycoins-staging-{service['serviceName']}", force=True)
    ecs.delete_cluster(cluster=name)


def test_with_the_platforms_names_verify_ends_with_0(sandbox: Sandbox, platform_cluster: str, tmp_path: Path) -> None:
    """Found in a checkout of its shape, without a line written by hand: what Terraform means is accepted."""
    desk = Desk(tmp_path, sandbox)
    ended = desk.call([str(COMMAND), "init", "--repository", str(PLATFORM), "-p", "environment", "staging"])
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    names = tomllib.loads((desk.work / "runbook.toml").read_text())["environments"]["staging"]
    assert (names["cluster"], names["service"]) == (platform_cluster, "ohmycoins-staging-backend")
    verified = desk.run("--summary")
    assert verified.returncode == 0, verified.stdout
    assert "accepted desired-zero" in verified.stdout and desk.outcome()["status"] == "ok"


def test_an_accepted_finding_lets_a_run_end_with_0(sandbox: Sandbox, platform_cluster: str, tmp_path: Path) -> None:
    """Without tasks on purpose, verify ends with 1; with an entry for it with 0, and shows it."""
    desk = Desk(tmp_path, sandbox)
    path = desk.work / "runbook.toml"
    names = f'[environments.staging]\ncluster = "{platform_cluster}"\nservice = "ohmycoins-staging-backend"\n'
    path.write_text(names)
    before = desk.run("--summary")
    assert before.returncode == 1 and "warning  desired-zero" in before.stdout, before.stdout
    path.write_text(
        f'{names}\n[[accepted]]\ncheck = "desired-zero"\nsubject = "ohmycoins-*"\nreason = "Off at night"\n'
    )
    after = desk.run("--summary")
    assert after.returncode == 0, after.stdout
    assert "accepted desired-zero" in after.stdout and "Accepted: Off at night." in after.stdout
    (finding,) = (
        each for each in json.loads((desk.record / "outcome.json").read_text())["findings"] if "accepted" in each
    )
    assert finding["accepted"] == "Accepted: Off at night."
