"""The troubleshoot runbook, run as its users run it: the answer, its order, what it cannot see, and the fix."""

from __future__ import annotations

import html
import json
import re
import secrets
import subprocess
from typing import Any

import pytest
from support.runs import COMMAND, PAPERMILL, SECRET, Desk, assert_nothing_leaked, client, values

from omc_runbook.headless.notebooks import folder as notebooks

CLUSTER = "ohmycoins-staging"


def troubleshoot(desk: Desk, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`omc-runbook run troubleshoot`, with its record in the working folder."""
    return desk.call([str(COMMAND), "run", "troubleshoot", "--record", str(desk.record), *arguments], **variables)


def page(desk: Desk) -> str:
    """The words of the record's page, without tags."""
    (path,) = desk.record.glob("*-*.html")
    body = path.read_text().partition("<body")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def only(desk: Desk, *allowed: str) -> dict[str, str]:
    """The variables of somebody who may do these things and no others."""
    iam, user = client(desk.sandbox, "iam"), f"user-{secrets.token_hex(4)}"
    iam.create_user(UserName=user)
    statement = {"Effect": "Allow", "Action": list(allowed), "Resource": "*"}
    iam.put_user_policy(
        UserName=user, PolicyName="only", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def test_a_healthy_world_is_called_so_with_what_was_checked(desk: Desk) -> None:
    """Exit 0, nothing on the screen; the page says that nothing is wrong, and every family was checked."""
    ended = troubleshoot(desk)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    body = desk.outcome()
    assert (body["status"], body["root_causes"], body["changes"]) == ("ok", [], [])
    clear = {finding["family"] for finding in body["findings"] if finding["status"] == "clear"}
    assert clear == {"secret", "reference", "content", "access", "network", "deployment", "running", "exec"}
    assert "Nothing is wrong with the secrets of staging" in page(desk)
    assert_nothing_leaked(desk, values(desk.sandbox))


def test_an_answer_comes_in_its_order_and_a_fix_mends(desk: Desk, broken: Any) -> None:
    """Cause, evidence, look-alikes, remedy, what was not seen, the rest, the plan; applied, then nothing is left."""
    before = values(desk.sandbox)
    broken("no-permission")
    ended = troubleshoot(desk, "-p", "symptom", "cannot-read")
    assert ended.returncode == 1
    assert desk.outcome()["root_causes"] == ["no-permission"]
    text = page(desk)
    order = ("Evidence", "What it is not", "What to do", "What could not be read", "Details: all findings")
    # What stands before the notebook's own sections links to them.
    positions = [text.index(words, text.index(order[0])) for words in order]
    assert positions == sorted(positions)
    assert "Not scp:" in text and "Not identity-deny:" in text
    assert_nothing_leaked(desk, before, ended.stdout, ended.stderr)
    mended = troubleshoot(desk, "-p", "apply", "true")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    body = desk.outcome()
    assert body["root_causes"] == [] and body["changes"]
    assert_nothing_leaked(desk, before, mended.stdout, mended.stderr)
    again = troubleshoot(desk, "-p", "apply", "true")
    assert again.returncode == 0 and desk.outcome()["changes"] == []


def test_a_pasted_text_is_explained_and_held_against_the_environment(desk: Desk) -> None:
    """A stopped reason from elsewhere is a remark: the environment does not show it, and it is not repeated."""
    value = secrets.token_urlsafe(12)
    text = (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        "unable to retrieve secret from asm: service call has been retried 1 time(s): retrieved secret from Secrets "
        f"Manager did not contain json key OPENAI_API_KEY near {value}"
    )
    ended = troubleshoot(desk, "-p", "error_text", text)
    assert ended.returncode == 0
    (remark,) = [f for f in desk.outcome()["findings"] if f["subject"] == "the pasted text"]
    assert (remark["check"], remark["severity"], remark["status"]) == ("key-missing", "info", "found")
    assert "OPENAI_API_KEY" in " ".join(remark["evidence"]) and value not in json.dumps(remark)
    assert "The environment does not show it now" in page(desk)


def test_a_record_does_not_keep_what_was_pasted(desk: Desk) -> None:
    """A text may have a secret of no known shape, and nobody's name: the record says that there was one."""
    value = f"<b>{secrets.token_hex(2)} at {secrets.token_urlsafe(12)}</b>"
    ended = troubleshoot(desk, "-p", "error_text", f"It said: {value}\nand 'no' \"more\".")
    assert ended.returncode == 0
    assert "(not kept)" in page(desk)
    assert_nothing_leaked(desk, [value, value[8:-4]], ended.stdout, ended.stderr)


def test_a_value_that_is_no_longer_current_is_masked_in_a_pasted_text(desk: Desk) -> None:
    """A line of a log quotes the password of then: the record has it neither plain nor spelt another way."""
    manager, value = client(desk.sandbox, "secretsmanager"), secrets.token_urlsafe(24)
    document = json.dumps({"POSTGRES_PASSWORD": value})
    version_id = manager.put_secret_value(SecretId=SECRET, SecretString=document, VersionStages=["former"])["VersionId"]
    try:
        ended = troubleshoot(desk, "-p", "error_text", f"could not connect to the server: {value} was refused")
    finally:
        manager.update_secret_version_stage(SecretId=SECRET, VersionStage="former", RemoveFromVersionId=version_id)
    assert ended.returncode == 0
    assert_nothing_leaked(desk, [value], ended.stdout, ended.stderr)


def test_a_task_can_be_asked_about(desk: Desk) -> None:
    """The id of a running task gets a line of its own: what it is, and which values it holds."""
    arn = client(desk.sandbox, "ecs").list_tasks(cluster=CLUSTER, serviceName="backend")["taskArns"][0]
    ended = troubleshoot(desk, "-p", "task", arn.rpartition("/")[2], "-p", "service", "backend")
    assert ended.returncode == 0
    assert "It has the current values" in page(desk)


def test_with_nothing_allowed_one_policy_says_what_to_ask_for(desk: Desk) -> None:
    """Exit 2, everything unknown or skipped, no traceback, and one policy that lets the same person see all."""
    ended = troubleshoot(desk, **only(desk, "sts:GetCallerIdentity"))
    assert ended.returncode == 2 and "Traceback" not in ended.stdout + ended.stderr
    body = desk.outcome()
    assert body["status"] == "unknown" and body["root_causes"] == []
    assert {finding["status"] for finding in body["findings"]} <= {"unknown", "skipped"}
    (path,) = desk.record.glob("*-*.html")
    # Where it says what could not be read, and in the answer.
    (policy_text,) = {*re.findall(r'\{\s*"Version".*?\n\}', html.unescape(path.read_text()), flags=re.DOTALL)}
    actions = [action for statement in json.loads(policy_text)["Statement"] for action in statement["Action"]]
    assert len(actions) == len(set(actions))
    assert {"secretsmanager:GetSecretValue", "ecs:DescribeTasks", "iam:GetRole"} <= {*actions}
    assert "ec2:DescribeVpcEndpoints" in actions
    assert not any(action.endswith("*") or ":Put" in action or ":Update" in action for action in actions)
    then = troubleshoot(desk, **only(desk, "sts:GetCallerIdentity", *actions))
    assert then.returncode == 0, then.stdout


def test_plain_papermill_tells_the_root_cause_as_an_error(desk: Desk, broken: Any) -> None:
    """Where nobody can answer a prompt, a finding ends the run with an error that names it."""
    broken("exec-off")
    command = [str(PAPERMILL), str(notebooks() / "troubleshoot.ipynb"), "out.ipynb", "-p", "symptom", "exec-fails"]
    ended = desk.call(command)
    assert ended.returncode != 0 and "exec-off" in ended.stderr
    assert_nothing_leaked(desk, values(desk.sandbox), ended.stdout, ended.stderr)


BAD_INPUT = {
    "symptom mistyped": (("symptom", "cannot-raed"), "did you mean cannot-read?"),
    "symptom of this machine": (("symptom", "local"), "set repository to the checkout"),
    "environment of this machine": (("environment", "local"), "run local_setup"),
    "no task's id": (("task", "the one that died"), "the id or the ARN of a task"),
    "task of another day": (("task", "0123456789abcdef0123456789abcdef"), "No task of cluster ohmycoins-staging"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_one_sentence_and_leaves_no_record(desk: Desk, case: str) -> None:
    """Exit 3, one line on standard error, nothing written."""
    (name, text), sentence = BAD_INPUT[case]
    ended = troubleshoot(desk, "-p", name, text, OMC_REPOSITORY="")
    assert ended.returncode == 3
    assert sentence in ended.stderr and len(ended.stderr.strip().splitlines()) == 1
    assert not list(desk.work.iterdir())
