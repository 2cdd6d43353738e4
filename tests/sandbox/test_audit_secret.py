"""What an audit finds about the secret in the sandbox: each fault alone, and nothing of it in a healthy world."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.runs import sign_in

from omc_runbook.checks import age
from omc_runbook.diagnosis import root_causes
from omc_runbook.model.findings import Finding
from omc_runbook.report.audit_exposure import exposure
from omc_runbook.report.audit_lifecycle import lifecycle as lifecycle_table
from omc_runbook.report.audit_lifecycle import unused
from omc_runbook.report.audit_lives import LivesPlot, ages
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox.faults import audit_secret, break_, mend
from omc_runbook.sandbox.faults.change import revise
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.build import good_document, healthy_document, keep_good_document
from omc_runbook.sandbox.worlds.staging import SECRET, World
from omc_runbook.snapshot.state import Snapshot

pytestmark = pytest.mark.usefixtures("own_registry")

RENEWED = ("SECRET_KEY", "POSTGRES_PASSWORD", "OPENAI_API_KEY", "FIRST_SUPERUSER_PASSWORD", "SMTP_PASSWORD")
FAULTS = [fault.id for fault in audit_secret.FAULTS]


@pytest.fixture
def look(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Snapshot]:
    """Read the sandbox's staging environment as an audit does."""
    sign_in(sandbox, monkeypatch)
    monkeypatch.chdir(sandbox.repository or Path())
    return lambda repository="": runbooks_run.reach("audit", "staging").look(repository, audit_days=90)


def found_by_check(snapshot: Snapshot) -> dict[str, Finding]:
    """What the checks of the secret found, by id, without what concerns the account's identities and alarms."""
    findings = [each for each in root_causes.audit(snapshot) if each.check in {*FAULTS, "no-deletion-guard"}]
    assert [each.evidence for each in findings if each.status == "unknown"] == []
    return {each.check: each for each in findings if each.status == "found"}


def test_a_healthy_world_has_remarks_alone(sandbox: Sandbox, look: Callable[..., Snapshot]) -> None:
    """Nothing is a warning, with the checkout and without."""
    for repository in ("", str(sandbox.repository)):
        assert {each.severity for each in found_by_check(look(repository)).values()} <= {"info"}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_and_mended(fault: str, sandbox: Sandbox, look: Callable[..., Snapshot]) -> None:
    """A fault gives its own finding and no other that is more than a remark; mending takes it away."""
    break_(sandbox.endpoint, fault)
    snapshot = look()
    findings = found_by_check(snapshot)
    assert fault in findings
    assert {id for id, each in findings.items() if each.severity != "info"} <= {fault}
    assert findings[fault].remedy.command
    for table in (ages, exposure, unused, lifecycle_table, LivesPlot):
        assert table(snapshot).to_text()
    mend(sandbox.endpoint)
    assert fault not in found_by_check(look())


def test_values_in_a_logs_options_lie_open_too(sandbox: Sandbox, look: Callable[..., Snapshot]) -> None:
    """The secret's own, and another whose option is named like a secret; the others are not reported."""
    world = World(sandbox.endpoint)
    value = json.loads(world.secretsmanager.get_secret_value(SecretId=SECRET)["SecretString"])["SECRET_KEY"]
    options = {"Name": "http", "Host": "logs.example.com", "Header_token": value, "apikey": secrets.token_hex(16)}

    def edit(container: Any) -> None:
        container["logConfiguration"] = {"logDriver": "awsfirelens", "options": options}

    revise(world, "frontend", edit)
    findings = [each for each in root_causes.audit(look()) if each.check == "plain-in-definition"]
    mend(sandbox.endpoint)
    own, other = sorted(findings, key=lambda each: each.severity)
    assert own.subject.endswith(" logConfiguration Header_token") and other.subject.endswith(" logConfiguration apikey")
    assert "logConfiguration.options has the present value of SECRET_KEY in Header_token." in own.evidence[0]
    assert "move Header_token from logConfiguration.options of frontend to secretOptions" in own.remedy.command
    assert other.severity == "warning" and "move apikey from logConfiguration.options" in other.remedy.command


def test_values_in_commands_and_labels_lie_open_too(sandbox: Sandbox, look: Callable[..., Snapshot]) -> None:
    """As a part of a text; ordinary commands and labels are not reported."""
    world = World(sandbox.endpoint)
    value = json.loads(world.secretsmanager.get_secret_value(SecretId=SECRET)["SecretString"])["SECRET_KEY"]
    check = ["CMD-SHELL", f"curl -H 'X-Signature: {value}' http://localhost:8000/health || exit 1"]

    def edit(container: Any) -> None:
        container["dockerLabels"] = {"com.app.checks": json.dumps({"header": value}), "com.app.key": "frontend"}
        container["healthCheck"] = {"command": check}

    revise(world, "frontend", edit)
    findings = [each for each in root_causes.audit(look()) if each.check == "plain-in-definition"]
    mend(sandbox.endpoint)
    ends = [each.subject.split(" ", 2)[2] for each in findings if each.status == "found"]
    assert ends == ["healthCheck", "dockerLabels com.app.checks"]
    assert all("has the present value of SECRET_KEY" in each.evidence[0] for each in findings)
    assert value not in repr(findings)


def test_a_log_of_another_region_is_searched(sandbox: Sandbox, look: Callable[..., Snapshot]) -> None:
    """A container's log is where its awslogs-region says, and not where the secret is."""
    world, away = World(sandbox.endpoint), World(sandbox.endpoint, region="eu-west-1")
    value = json.loads(world.secretsmanager.get_secret_value(SecretId=SECRET)["SecretString"])["OPENAI_API_KEY"]
    away.logs.create_log_group(logGroupName="/ecs/away")
    away.logs.create_log_stream(logGroupName="/ecs/away", logStreamName="worker")
    line = {"timestamp": int(datetime.now(UTC).timestamp() * 1000), "message": f"key={value}"}
    away.logs.put_log_events(logGroupName="/ecs/away", logStreamName="worker", logEvents=[line])
    options = {"awslogs-group": "/ecs/away", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs"}
    revise(
        world,
        "worker",
        lambda container: container.update(logConfiguration={"logDriver": "awslogs", "options": options}),
    )
    world.settle()
    assert "log group /ecs/away, stream worker" in " ".join(found_by_check(look())["value-in-log"].evidence)
    mend(sandbox.endpoint)


def write_history(world: World, moments: Sequence[datetime], keys: Sequence[str]) -> Mapping[str, datetime]:
    """Write a version at each moment, oldest first, that renews one of the keys, in turn; the first one renews all.

    Names and addresses, of which a healthy secret always has the same, stay. Returns since when each other key has its
    present value. Versions that were there are dated before the first moment. Services that run have the values from
    before: deploy them to have the new ones.
    """
    api, since = world.secretsmanager, dict[str, datetime]()
    listed = api.list_secret_version_ids(SecretId=SECRET, IncludeDeprecated=True)["Versions"]
    created = {each["VersionId"]: moments[0].timestamp() - 1 - count for count, each in enumerate(reversed(listed))}
    document = healthy_document() | good_document(world)
    for count, moment in enumerate(moments):
        fresh, turn = healthy_document(), keys[count % len(keys)]
        renewed = [key for key in fresh if fresh[key] != document[key] and (count == 0 or key == turn)]
        document |= {key: fresh[key] for key in renewed}
        version = api.put_secret_value(SecretId=SECRET, SecretString=json.dumps(document))["VersionId"]
        created[version] = moment.timestamp()
        since |= dict.fromkeys(renewed, moment)
    keep_good_document(world)
    world.control("POST", "versions", {"secret": SECRET, "created": created})
    return since


def test_ages_are_right_to_the_second(sandbox: Sandbox, look: Callable[..., Snapshot]) -> None:
    """Of 30 versions over two years each key's age is that of its value, also after AWSCURRENT went back."""
    now = datetime.now(UTC).replace(microsecond=0)
    moments = [now - timedelta(days=730) + timedelta(days=25, seconds=count) * count for count in range(30)]
    since = write_history(World(sandbox.endpoint), moments, RENEWED)
    snapshot = look()
    history = snapshot.audit.history
    assert history and len(history.versions) >= 30
    since_by_key = {each.key: each.since for each in age.ages(snapshot, history)}
    assert len(since) == 6 and {key: since_by_key[key] for key in since} == since
    rows = {row[0]: row for row in ages(snapshot).rows}
    for key, moment in since.items():
        assert rows[key][1].startswith(f"{moment:%Y-%m-%d %H:%M:%S}")
    overdue = {key for key, moment in since.items() if now - moment > timedelta(days=180)}
    assert overdue and overdue == {each.subject for each in by_id(snapshot)["key-overdue"]}
    lives = age.lives(history)
    assert [life.since for life in lives["SECRET_KEY"]][-1] == since["SECRET_KEY"]
    assert len([life for life in lives["SECRET_KEY"] if life.since >= moments[0]]) == 1 + len(range(5, 30, 5))
    picture = LivesPlot(snapshot).to_svg()
    drawn = picture.count("<rect") - picture.count('<rect class="card"')
    assert drawn == sum(map(len, lives.values())) and ElementTree.fromstring(picture) is not None
    secret = World(sandbox.endpoint).secretsmanager
    newest, before = history.versions[0].id, history.versions[1].id
    secret.update_secret_version_stage(
        SecretId=SECRET, VersionStage="AWSCURRENT", MoveToVersionId=before, RemoveFromVersionId=newest
    )
    returned = look()
    assert returned.audit.history
    restored = {each.key: each.since for each in age.ages(returned, returned.audit.history)}
    changed_key = RENEWED[29 % len(RENEWED)]
    assert {key: restored[key] for key in since} == since | {changed_key: moments[29 - len(RENEWED)]}
    assert age.lives(returned.audit.history)[changed_key][-1].number != age.lives(history)[changed_key][-1].number
    mend(sandbox.endpoint)


def test_the_checkout_and_its_history_are_searched(
    sandbox: Sandbox, look: Callable[..., Snapshot], tmp_path: Path
) -> None:
    """A live value in a tracked file and in an old blob is found, with its place and never itself."""
    root = tmp_path / "checkout"
    assert sandbox.repository
    shutil.copytree(sandbox.repository, root)
    text = World(sandbox.endpoint).secretsmanager.get_secret_value(SecretId=SECRET)["SecretString"]
    values = json.loads(text)
    assert {"value-in-file", "value-in-history"}.isdisjoint(by_id(look(str(root))))
    plan, old = root / "infrastructure" / "outputs.json", root / "notes.txt"
    encoded = base64.b64encode(f"key={values['OPENAI_API_KEY']};".encode()).decode()
    plan.write_text(json.dumps({"one": 1, "smtp": {"value": values["SMTP_PASSWORD"]}, "other": encoded}, indent=1))
    old.write_text(f"the key is\n{values['SECRET_KEY']}\n")
    run_git(root, "add", "-A")
    run_git(root, "commit", "-qm", "Add notes")
    old.unlink()
    run_git(root, "commit", "-qam", "Remove notes")
    findings = by_id(look(str(root)))
    [in_file] = findings["value-in-file"][:1]
    assert {each.subject for each in findings["value-in-file"]} == {
        "infrastructure/outputs.json:4",
        "infrastructure/outputs.json:6",
    }
    [in_history] = findings["value-in-history"]
    assert in_history.subject.startswith("notes.txt in commit ")
    assert in_history.remedy.parameters["keys"] == "SECRET_KEY"
    assert in_file.severity == in_history.severity == "error"
    texts = json.dumps([[each.subject, each.evidence, each.remedy.command] for each in findings["value-in-file"]])
    assert not any(value in texts for value in values.values() if len(value) > 12)


def by_id(snapshot: Snapshot) -> dict[str, list[Finding]]:
    """What an audit found, by the check's id."""
    findings = [each for each in root_causes.audit(snapshot) if each.status == "found"]
    return {each.check: [other for other in findings if other.check == each.check] for each in findings}


def run_git(root: Path, *words: str) -> None:
    """Run git as somebody."""
    options = ("-c", "user.name=A Developer", "-c", "user.email=developer@ohmycoins.test", "-c", "commit.gpgSign=false")
    subprocess.run(["git", "-C", str(root), *options, *words], check=True, capture_output=True)
