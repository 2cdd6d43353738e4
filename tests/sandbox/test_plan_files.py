"""A plan that one person writes and another applies, in AWS: applied as it is, or refused with what has changed."""

from __future__ import annotations

import json
import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from support.runs import COMMAND, SECRET, Desk, assert_nothing_leaked, client, values

from omc_runbook.sandbox.lifecycle import Sandbox


def a_person(sandbox: Sandbox, name: str) -> dict[str, str]:
    """The variables of another administrator."""
    iam = client(sandbox, "iam")
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def test_what_one_person_plans_another_applies_or_is_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    """The same source, version and keys; each change in between is named, and nothing is written by a refused run."""
    desk, new = Desk(tmp_path, sandbox), [secrets.token_urlsafe(18) for _ in range(2)]
    author, approver = (a_person(sandbox, f"{name}-{secrets.token_hex(3)}") for name in ("author", "approver"))
    secretsmanager, source = client(sandbox, "secretsmanager"), desk.work / "new.env"

    def write(value: str) -> None:
        source.write_text(f"SMTP_PASSWORD={value}\n")
        source.chmod(0o600)

    def run(person: dict[str, str], *words: str) -> tuple[int, str]:
        process = desk.call([str(COMMAND), "run", *words], **person)
        return process.returncode, process.stdout + process.stderr

    def current() -> dict[str, Any]:
        answer = secretsmanager.get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")
        return {"version": answer["VersionId"], **json.loads(answer["SecretString"])}

    def outcome() -> dict[str, Any]:
        return json.loads((desk.work / "records" / "outcome.json").read_text())

    write(new[0])
    assert run(author, "update", "values_from=file:new.env", "plan_to=plan.json")[0] == 0
    planned, before = outcome()["plan_file"], current()
    assert planned["planned_by"] == planned["run_by"] and "author" in planned["run_by"]
    assert run(author, "rotate", "keys=SECRET_KEY", "plan_to=other.json")[0] == 0

    write(new[1])
    code, output = run(approver, "update", "plan_from=plan.json", "apply=true")
    assert (code, current()) == (2, before) and f"the new value of SMTP_PASSWORD in {SECRET} is not the one" in output

    write(new[0])
    code, output = run(approver, "update", "plan_from=plan.json", "apply=true")
    assert code == 0, output
    assert outcome()["plan_file"] == {**planned, "run_by": outcome()["plan_file"]["run_by"]}
    assert "approver" in outcome()["plan_file"]["run_by"] and current()["SMTP_PASSWORD"] == new[0]
    assert not source.exists()

    code, output = run(approver, "update", "plan_from=plan.json", "apply=true")
    assert code == 2 and "was carried out already" in output
    code, output = run(approver, "rotate", "plan_from=other.json", "apply=true")
    assert code == 2 and f"the current version of {SECRET} is {current()['version']}, in the plan" in output
    assert current()["SMTP_PASSWORD"] == new[0]

    write(new[1])
    assert run(author, "update", "values_from=file:new.env", "keep_source=true", "plan_to=third.json")[0] == 0
    for name in ("author", "approver"):
        shutil.copy(desk.work / "third.json", desk.work / f"{name}.json")
    with ThreadPoolExecutor() as pool:
        people = {"author": author, "approver": approver}
        ends = [
            pool.submit(run, each, "update", f"plan_from={name}.json", "apply=true", "--record", name)
            for name, each in people.items()
        ]
    output = "".join(end.result()[1] for end in ends)
    assert sorted(end.result()[0] for end in ends) == [0, 2], output
    assert "applied already" in output or "is out of date" in output
    assert current()["SMTP_PASSWORD"] == new[1]
    source.unlink()
    assert_nothing_leaked(desk, [*values(sandbox), new[0]])
