"""The DAG for Airflow, run by Airflow itself over the environments of several sandboxes; `make airflow` installs it."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT, SUPPORT
from support.runs import Desk, assert_nothing_leaked, caller, client, values

from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import REGION
from omc_runbook.sandbox.faults import collection
from omc_runbook.sandbox.lifecycle import Sandbox

AIRFLOW = ROOT / ".venv-airflow"
DAGS = ROOT / "schedules" / "airflow"
BUCKET = "records"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not (AIRFLOW / "stamp").exists(), reason="Airflow is not installed: make airflow"),
]


@pytest.fixture
def sandboxes(sandbox: Sandbox) -> Iterator[dict[str, Sandbox]]:
    """A sandbox for each environment; that of beta has a fault."""
    with ExitStack() as stack:
        others = {name: lifecycle.up() for name in ("beta", "gamma")}
        for other in others.values():
            stack.callback(lifecycle.down, other)
        collection.break_(others["beta"].endpoint, "kms-no-permission")
        lifecycle.settle(others["beta"])
        yield {"alpha": sandbox, **others}


def test_each_environment_is_a_task_of_its_own(sandboxes: dict[str, Sandbox], tmp_path: Path) -> None:
    """Findings fail a task at once with the root cause in its log, and unknown fails it after more tries."""
    desk = Desk(tmp_path, sandboxes["alpha"])
    s3 = client(sandboxes["alpha"], "s3")
    key = client(sandboxes["alpha"], "kms").create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [default]})
    answer, log = _run(desk, _profiles(desk, sandboxes))

    tasks = {task["environment"]: task for task in answer["tasks"]}
    assert {name: task["state"] for name, task in tasks.items()} == {
        "alpha": "success",
        "beta": "failed",
        "gamma": "success",
        "delta": "failed",
        "epsilon": "failed",
    }
    assert {name: task["tries"] for name, task in tasks.items()} == {
        "alpha": 1,
        "beta": 1,
        "gamma": 1,
        "delta": 3,
        "epsilon": 1,
    }
    assert {name: task["outcome"] for name, task in tasks.items()} == {
        "alpha": {"status": "ok", "root_causes": []},
        "beta": {"status": "findings", "root_causes": ["kms-no-permission"]},
        "gamma": {"status": "ok", "root_causes": []},
        "delta": {"status": "failed", "root_causes": []},
        "epsilon": {"status": "findings", "root_causes": []},
    }
    assert {task["pool"] for task in tasks.values()} == {"omc_runbook"}
    assert "kms-no-permission: The role may not decrypt with the key that encrypts the secret" in log
    assert "findings: pull-failed for an unknown cause" in log
    assert "CouldNotLook: AWS does not accept these credentials" in log

    records = {each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    notebook_names = {(path.split("/")[1], path.rpartition("/")[2]) for path in records}
    looked = {(name, file) for name in (*sandboxes, "epsilon") for file in ("verify.ipynb", "outcome.json")}
    assert notebook_names == looked | {("delta", "verify.ipynb")}
    for path in records:
        body = s3.get_object(Bucket=BUCKET, Key=path)
        assert (body["ServerSideEncryption"], body["SSEKMSKeyId"]) == ("aws:kms", key)
        (desk.root / path.replace("/", "-")).write_bytes(body["Body"].read())
    for sandbox in sandboxes.values():
        assert_nothing_leaked(desk, values(sandbox), log)


def test_a_run_without_an_environment_fails(sandbox: Sandbox, tmp_path: Path) -> None:
    """Airflow calls a task that is mapped over nothing skipped, and the run a success."""
    desk = Desk(tmp_path, sandbox)
    (desk.work / "runbook.toml").write_text('project = "ohmycoins"\n')
    answer, log = _run(
        desk,
        {
            "AIRFLOW_VAR_OMC_RUNBOOK_TOML": str(desk.work / "runbook.toml"),
            "AIRFLOW_VAR_OMC_RUNBOOK_RECORDS": f"s3://{BUCKET}/verify",
        },
    )
    assert answer["state"] == "failed" and "runbook.toml has no table [environments.NAME]" in log


def test_the_parameter_is_a_list_of_names(tmp_path: Path) -> None:
    """A text would be mapped over letter by letter, and two tasks of one environment would write one record."""
    right: list[object] = [[], ["staging"], ["staging", "prod-eu"]]
    wrong: list[object] = ["staging", ["staging", "staging"], ["staging", ""], [1], {"staging": 1}, None]
    lines = (
        "import json, sys",
        "from contextlib import suppress",
        "from airflow.sdk.exceptions import ParamValidationError",
        "module, values = sys.argv[1:]",
        "parameter = __import__(module).ENVIRONMENTS",
        "for value in json.loads(values):",
        "    with suppress(ParamValidationError):",
        "        print(json.dumps(parameter.resolve(value)))",
    )
    (module,) = (path.stem for path in DAGS.glob("*.py"))
    command = [AIRFLOW / "bin" / "python", "-c", "\n".join(lines), module, json.dumps(right + wrong)]
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(DAGS)}
    process = subprocess.run(command, env=environment, capture_output=True, text=True)
    accepted = [line for line in process.stdout.splitlines() if line.startswith(("[", '"', "{", "null"))]
    assert accepted == [*map(json.dumps, right)], process.stderr[-5000:]


def _profiles(desk: Desk, sandboxes: dict[str, Sandbox]) -> dict[str, str]:
    """Variables that name a runbook.toml with a profile for each environment.

    AWS does not accept delta's, and epsilon's, in beta's account, may not read the role that lacks a permission.
    """
    default, delta, epsilon = sandboxes["alpha"], sandboxes["gamma"], sandboxes["beta"]
    sandbox_of_profile = {
        "default": default,
        **{f"profile {name}": each for name, each in sandboxes.items()},
        "profile delta": delta,
        "profile epsilon": epsilon,
    }
    settings = [
        f"[{name}]\nregion = {REGION}\nendpoint_url = {each.endpoint}\n" for name, each in sandbox_of_profile.items()
    ]
    keys = {"default": default.credentials, **{name: each.credentials for name, each in sandboxes.items()}}
    pairs = {name: (each.access_key, each.secret_key) for name, each in keys.items()}
    pairs["delta"] = ("AKIA" + secrets.token_hex(8).upper(), secrets.token_hex(20))
    pairs["epsilon"] = _without_iam(epsilon)
    lines = [
        f"[{name}]\naws_access_key_id = {one}\naws_secret_access_key = {two}\n" for name, (one, two) in pairs.items()
    ]
    names = [
        f'[environments.{name}]\nprofile = "{name}"\nprefix = "ohmycoins-staging"\n'
        for name in (*sandboxes, "delta", "epsilon")
    ]
    files = {"config": settings, "credentials": lines, "runbook.toml": names}
    for file, texts in files.items():
        (desk.work / file).write_text("".join(texts))
    return {
        "AWS_CONFIG_FILE": str(desk.work / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(desk.work / "credentials"),
        "AIRFLOW_VAR_OMC_RUNBOOK_TOML": str(desk.work / "runbook.toml"),
        "AIRFLOW_VAR_OMC_RUNBOOK_RECORDS": f"s3://{BUCKET}/verify",
    }


def _without_iam(sandbox: Sandbox) -> tuple[str, str]:
    """The access key of somebody who may do anything but ask IAM."""
    statement = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
    key = caller(sandbox, json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"]


def _run(desk: Desk, variables: dict[str, str]) -> tuple[Any, str]:
    """What the DAG's run came to, and its log, with a database of its own."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "OMC_", "PYTEST_"))}
    environment |= variables | {
        "HOME": str(desk.root / "home"),
        "TMPDIR": str(desk.root / "tmp"),
        "AIRFLOW_HOME": str(desk.root / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(DAGS),
    }
    processes = []
    (pool,) = re.findall(r"`(airflow pools set [^`]+)`", (ROOT / "schedules" / "README.md").read_text())
    for command in (["airflow", "db", "migrate"], pool.split(), ["python", str(SUPPORT / "airflow_run.py")]):
        process = subprocess.run(
            [AIRFLOW / "bin" / command[0], *command[1:]], env=environment, cwd=desk.work, capture_output=True, text=True
        )
        assert process.returncode == 0, process.stderr[-5000:]
        processes.append(process)
    # Airflow's own examples of settings, such as addresses at example.com, which are no less public here.
    (desk.root / "airflow" / "airflow.cfg").unlink()
    log, _, answer = processes[-1].stdout.rpartition("\n")
    return json.loads(answer), log + processes[-1].stderr
