"""The commands of the schedules, run as cron, systemd, GitHub's runner and ECS run them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.paths import ROOT
from support.runs import COMMAND, Desk, assert_nothing_leaked, caller, client, values
from support.verify_module import BUCKET, verify_module

from omc_runbook.sandbox.account import REGION
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.terraform.evaluation import Module

SCHEDULES = ROOT / "schedules"
WORK = "/mnt"
"""A folder that is there on any machine, instead of the image's own."""
CONTAINER = """
set -e
mount -o remount,bind,ro /
mount -t tmpfs -o mode=700,uid=$USER,gid=$USER tmpfs "$HOME"
cd "$HOME"
for shell in dash bash; do mount --bind /dev/null "/usr/bin/$shell"; done
if /usr/bin/touch /usr/written 2>/dev/null; then exit 9; fi
exec setpriv --reuid=$USER --regid=$USER --clear-groups --bounding-set=-all --no-new-privs "$@"
"""
"""What Fargate makes of the task definition: nobody's root, one folder to write to; and there is no shell."""


def _readable_by_others(path: Path) -> bool:
    return all(each.stat().st_mode & 0o005 == 0o005 for each in (path, *path.parents))


def _record(desk: Desk) -> str:
    return str(json.loads((desk.record / "outcome.json").read_text())["status"])


def _cron_command() -> str:
    (line, _) = (row for row in (SCHEDULES / "verify.cron").read_text().splitlines() if row.startswith(("7 ", "17 ")))
    # cron takes the backslash from a %.
    return line.split(maxsplit=6)[6].replace(r"\%", "%")


def test_cron_ends_a_run_that_hangs(sandbox: Sandbox, tmp_path: Path) -> None:
    """A program that gives no credentials, and no end: the time of ten minutes is four seconds here."""
    desk, config = Desk(tmp_path, sandbox), tmp_path / "config"
    config.write_text("[profile hangs]\ncredential_process = sleep 600\n")
    command, count = re.subn(r"\b10m\b", "4s", _cron_command())
    assert count == 1
    variables = {"RUNBOOK": str(COMMAND), "RECORDS": str(desk.record), "AWS_PROFILE": "hangs"}
    variables |= {"AWS_CONFIG_FILE": str(config), "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    start = time.monotonic()
    mailed = desk.start(["/bin/sh", "-c", command], **variables).stdout
    assert mailed.startswith("Exit code 2. ") and "Interrupted" in mailed
    assert time.monotonic() - start < 60


def test_cron_mails_only_what_is_wrong(sandbox: Sandbox, tmp_path: Path) -> None:
    """By the shell that the table names: nothing is printed of a healthy environment."""
    desk, command = Desk(tmp_path, sandbox), _cron_command()
    variables = {"RUNBOOK": str(COMMAND), "RECORDS": str(desk.record)}
    silent = desk.start(["/bin/sh", "-c", command], **variables)
    assert (silent.returncode, silent.stdout, silent.stderr, _record(desk)) == (0, "", "", "ok")
    mailed = desk.start(["/bin/sh", "-c", command], **variables, AWS_SECRET_ACCESS_KEY="wrong").stdout
    assert mailed.startswith("Exit code 2. ") and "AWS does not accept these credentials" in mailed
    assert_nothing_leaked(desk, values(sandbox), mailed)


def test_the_other_commands_verify(sandbox: Sandbox, tmp_path: Path) -> None:
    """systemd's, and that of GitHub's workflow, as their words are."""
    desk = Desk(tmp_path, sandbox)
    unit = (SCHEDULES / "omc-runbook-verify@.service").read_text()
    (start,) = (row.partition("=")[2] for row in unit.splitlines() if row.startswith("ExecStart="))
    (job,) = yaml.safe_load((SCHEDULES / "github-actions" / "verify.yml").read_text())["jobs"].values()
    (step,) = (step["run"] for step in job["steps"] if step.get("name") == "Verify")
    for command in (start.replace("%i", "staging"), step.replace('"$ENVIRONMENT"', "staging")):
        words = shlex.split(command)
        assert words[0].rpartition("/")[2] == COMMAND.name
        words[words.index("--record") + 1] = str(desk.record)
        process = desk.call([str(COMMAND), *words[1:]])
        assert (process.returncode, _record(desk)) == (0, "ok"), process.stderr
        shutil.rmtree(desk.record)


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="needs root, who mounts and becomes others")
@pytest.mark.skipif(not _readable_by_others(COMMAND.resolve()), reason="other users cannot read this checkout")
def test_ecs_needs_no_root_no_shell_and_one_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    """The task definition's command, variables, user and read-only root, with what the task's role allows, no more."""
    desk, s3, kms = Desk(tmp_path, sandbox), client(sandbox, "s3"), client(sandbox, "kms")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    key = kms.create_key()["KeyMetadata"]["Arn"]
    policy = desk.call([str(COMMAND), "policy", "verify", "environment=staging"]).stdout
    module = verify_module(policy=policy, records_kms_key_arn=key)
    (container,) = _value(module, "aws_ecs_task_definition.verify", "container_definitions")
    look, write = (_value(module, f"aws_iam_role_policy.{name}", "policy") for name in ("look", "records"))
    user, folder = container["user"].partition(":")[0], container["workingDirectory"]
    variables = {each["name"]: each["value"].replace(folder, WORK) for each in container["environment"]}
    variables |= (
        sandbox.variables | caller(sandbox, look, json.dumps(write)) | {"PATH": os.environ["PATH"], "USER": user}
    )
    command = ["unshare", "--mount", "/bin/sh", "-c", CONTAINER, "sh", str(COMMAND), *container["command"]]
    process = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, ""), process.stdout
    assert "verify on staging: ok" in process.stdout
    objects = [s3.get_object(Bucket=BUCKET, Key=each["Key"]) for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert len(objects) == 4 and {each["SSEKMSKeyId"] for each in objects} == {key}
    assert_nothing_leaked(desk, values(sandbox), process.stdout, *(each["Body"].read().decode() for each in objects))


def _value(module: Module, address: str, attribute: str) -> Any:
    """An attribute of staging's instance of a resource."""
    (instance,) = (each for each in module.resources if each.label == f'{address}["staging"]')
    return instance.get(attribute).value  # type: ignore[union-attr]
