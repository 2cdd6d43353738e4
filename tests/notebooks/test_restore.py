"""The restore runbook: what its plan says and refuses, and what it does to a secret and to real processes."""

from __future__ import annotations

import html
import json
import secrets
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from support.administrator import KeptSecret
from support.late_reads import read_late
from support.runs import COMMAND, PAPERMILL, SECRET, Desk, assert_nothing_leaked, client, sign_in, values
from support.small_world import environment_of, until
from support.snapshots import CURRENT, PREVIOUS, document, healthy, with_keys, with_secret, with_text, with_values
from support.steps import SteppedChange

from omc_runbook.aws.failures import ReadFailure
from omc_runbook.changes.secret import current_version
from omc_runbook.changes.secret.plan import SecretPlan
from omc_runbook.changes.secret.restore import plan_restore
from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.masking import registry
from omc_runbook.model.errors import ConflictError, CouldNotLook, RunbookError, UsageError
from omc_runbook.report import changes, history
from omc_runbook.runbooks import restore, secret_change
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import REGION
from omc_runbook.sandbox.faults import mend
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

pytestmark = pytest.mark.usefixtures("own_registry")

DENIED = ReadFailure(f"version {PREVIOUS}", "secretsmanager:GetSecretValue", "AccessDeniedException", "denied")


def history_of_two(snapshot: Snapshot, **fields: Any) -> VersionHistory:
    """The history of a snapshot's two versions; `fields` changes those of the former one's entry."""
    current, former = reversed(
        [VersionEntry(version=v, content=snapshot.contents.get(v.id), promoted=True) for v in snapshot.versions]
    )
    return VersionHistory(
        (former, replace(current, **fields)) if former.id == CURRENT else (current, replace(former, **fields))
    )


def before(**values_of_former: Any) -> Snapshot:
    """A healthy environment whose former version differs from the current one in some keys; None takes one out."""
    snapshot = healthy()
    members = {key: value for key, value in {**document(snapshot), **values_of_former}.items() if value is not None}
    return with_values(snapshot, members, PREVIOUS)


def actions(plan: SecretPlan) -> dict[str, str]:
    return {change.key: change.action for change in plan.changed}


def test_a_plan_names_each_key_where_from_and_for_whom_and_moves_to_what_is_there() -> None:
    """No new text: the former version's own, under its own id, with the way back to the current one."""
    snapshot = before(SECRET_KEY=secrets.token_hex(32), SMTP_HOST=None, OLD_KEY=secrets.token_hex(8))
    plan = plan_restore(snapshot, history_of_two(snapshot), "AWSPREVIOUS")
    assert actions(plan) == {"SECRET_KEY": "changed", "SMTP_HOST": "removed", "OLD_KEY": "added"}
    assert (plan.exists, plan.token, plan.base) == (True, PREVIOUS, CURRENT)
    former_document = snapshot.contents[PREVIOUS].document
    assert former_document and plan.text.same_as(former_document.value)
    assert [s.name for s in plan.consumers] == ["backend", "worker"]
    assert f"--move-to-version-id {CURRENT}" in changes.undo(snapshot.environment, plan, None).to_text()
    text = " ".join(changes.plan(plan).to_text().split())
    assert f"version {PREVIOUS[:8]} of 2025-12-31" in text and "signs everybody out" in text
    assert "new tasks of backend will not start" in text and registry.mask(text) == text
    [blocker] = plan.blockers
    assert "not start without SMTP_HOST, which they reference" in blocker
    assert f"Refused until this is fixed: {blocker}" in plan.readiness


@pytest.mark.parametrize(
    "version", [PREVIOUS, PREVIOUS[:8], f" {PREVIOUS[:12]} ", "AWSPREVIOUS"], ids=["id", "8", "12", "label"]
)
def test_a_version_goes_by_its_label_its_id_or_the_beginning_of_it(version: str) -> None:
    """Eight characters are enough, where they name one."""
    snapshot = before(SECRET_KEY=secrets.token_hex(32))
    assert plan_restore(snapshot, history_of_two(snapshot), version).token == PREVIOUS


@pytest.mark.parametrize("version", ["", CURRENT, CURRENT[:9], "AWSCURRENT"], ids=["none", "id", "9", "label"])
def test_no_version_and_the_current_one_change_nothing(version: str) -> None:
    """Also where the current one is broken."""
    for snapshot in (before(SECRET_KEY=secrets.token_hex(32)), with_text(healthy(), "{'broken'")):
        plan = plan_restore(snapshot, history_of_two(snapshot), version)
        already = (f"Version {CURRENT[:8]} is the current one already.",)
        assert plan.is_empty and plan.notes == (already if version else ())


def test_a_version_with_the_current_values_says_that_it_changes_nothing() -> None:
    """Whatever its text looks like; an empty plan alone would leave open why."""
    snapshot = before()
    plan = plan_restore(snapshot, history_of_two(snapshot), "AWSPREVIOUS")
    (note,) = plan.notes
    assert plan.is_empty and note.startswith(f"The keys and values of version {PREVIOUS[:8]} of 2025-12-31")
    assert note.endswith("are those of the current one: a restore changes nothing.")


def test_an_old_password_of_the_database_comes_with_a_warning() -> None:
    """And with the effect that a change of it always has; a key that stays the same needs none."""
    snapshot = before(POSTGRES_PASSWORD=secrets.token_urlsafe(24))
    (note,) = plan_restore(snapshot, history_of_two(snapshot), "AWSPREVIOUS").notes
    assert note.startswith("The database must accept the POSTGRES_PASSWORD of version")
    snapshot = before(SECRET_KEY=secrets.token_hex(32))
    assert plan_restore(snapshot, history_of_two(snapshot), "AWSPREVIOUS").notes == ()


def test_what_the_catalogue_objects_to_is_noted_and_not_refused() -> None:
    """An emergency may need a version that has its own faults."""
    snapshot = before(SECRET_KEY="changethis", SENTRY_DSN=None, SMTP_USER=5)
    plan = plan_restore(snapshot, history_of_two(snapshot), "AWSPREVIOUS")
    assert len(plan.notes) == 2 and not plan.is_empty
    assert "is a placeholder" in plan.notes[0] and "is a JSON number" in plan.notes[1]


def test_going_back_from_a_broken_version_adds_every_key() -> None:
    """What is no JSON gave tasks nothing; that is what a restore is for."""
    snapshot = with_text(before(), "{'broken'")
    plan = plan_restore(snapshot, history_of_two(snapshot), "AWSPREVIOUS")
    assert {*actions(plan).values()} == {"added"} and len(plan.changed) == 9


def test_going_back_twice_does_not_go_forward() -> None:
    """After a restore AWSPREVIOUS is the version that was left: only its id leads there again."""
    snapshot = before(SECRET_KEY=secrets.token_hex(32))
    moved = with_secret(snapshot, stages={PREVIOUS: ("AWSCURRENT",), CURRENT: ("AWSPREVIOUS",)})
    again = plan_restore(moved, history_of_two(snapshot), "AWSPREVIOUS")
    assert again.is_empty and "moved back already" in again.notes[0]
    assert plan_restore(moved, history_of_two(snapshot), CURRENT).token == CURRENT


def unread(snapshot: Snapshot) -> VersionHistory:
    return history_of_two(snapshot, content=None, unread=DENIED)


def alike(snapshot: Snapshot) -> VersionHistory:
    first, second = history_of_two(snapshot).versions
    return VersionHistory(
        (first, second, replace(second, version=replace(second.version, id=PREVIOUS[:10] + "0" * 22)))
    )


def broken(snapshot: Snapshot) -> VersionHistory:
    return history_of_two(with_text(snapshot, "{'broken'", PREVIOUS))


REFUSALS: dict[str, tuple[str, Any, type[RunbookError], str]] = {
    "unknown": ("0" * 32, history_of_two, UsageError, f"only {CURRENT[:8]} "),
    "too short": (PREVIOUS[:7], history_of_two, UsageError, "has no version with that id or label"),
    "a slip": ("AWSPREVIUS", history_of_two, UsageError, "with that id or label: did you mean AWSPREVIOUS? It keeps "),
    "small letters": ("awsprevious", history_of_two, UsageError, "label: did you mean AWSPREVIOUS? It keeps "),
    "several": (PREVIOUS[:8], alike, UsageError, "Several versions"),
    "no JSON": ("AWSPREVIOUS", broken, UsageError, "is single-quoted: no task can start with it"),
    "gone": ("AWSPREVIOUS", lambda snapshot: history_of_two(snapshot, content=None), UsageError, "is gone"),
    "denied": ("AWSPREVIOUS", unread, CouldNotLook, "secretsmanager:GetSecretValue is missing"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_version_that_cannot_be_gone_back_to_is_refused_in_one_sentence(case: str) -> None:
    """The error lists the versions that there are, and does not repeat the parameter."""
    version, history_of, kind, reason = REFUSALS[case]
    snapshot = before(SECRET_KEY=secrets.token_hex(32))
    with pytest.raises(kind) as error:
        plan_restore(snapshot, history_of(snapshot), version)
    assert reason in str(error.value) and "\n" not in str(error.value)
    assert case != "unknown" or version not in str(error.value)


def test_without_a_previous_or_any_current_version_that_is_said() -> None:
    """A secret of one version has nothing to go back to, one without a version nothing to go back from."""
    snapshot = with_secret(before(), stages={CURRENT: ("AWSCURRENT",)})
    for version in ("AWSPREVIOUS", "awsprevious"):
        with pytest.raises(UsageError, match="no version with AWSPREVIOUS"):
            plan_restore(snapshot, history_of_two(snapshot), version)
    only = VersionHistory(history_of_two(snapshot).versions[:1])
    with pytest.raises(UsageError, match="only the current one: there is none to restore"):
        plan_restore(snapshot, only, "AWSPREVIOUS")
    for lost in (with_secret(snapshot, stages={}), with_secret(snapshot, deleted=snapshot.taken)):
        with pytest.raises(CouldNotLook, match="no current version to go back from"):
            plan_restore(lost, history_of_two(lost))
    with pytest.raises(CouldNotLook, match="ListSecretVersionIds"):
        gap = ReadFailure("the versions", "secretsmanager:ListSecretVersionIds", "AccessDeniedException", "denied")
        plan_restore(replace(snapshot, gaps={"versions": (gap,)}), VersionHistory(()), PREVIOUS)


def test_the_history_reads_well_and_shows_no_value() -> None:
    """Keys by their names, the version that is no JSON as such, which task has what, and what is unknown."""
    snapshot = with_keys(before(SMTP_HOST=None), SECRET_KEY=secrets.token_hex(32))
    text = history.versions(snapshot, history_of_two(snapshot)).to_text()
    assert "SECRET_KEY changed; SMTP_HOST added" in " ".join(text.split()) and "backend 2, worker 1" in text
    assert "not a JSON object: single-quoted" in " ".join(
        history.versions(snapshot, broken(snapshot)).to_text().split()
    )
    assert "AccessDeniedException" in history.versions(snapshot, unread(snapshot)).to_text()
    assert "deleted meanwhile" in history.versions(snapshot, history_of_two(snapshot, content=None)).to_text()
    assert registry.mask(text) == text
    old = with_secret(snapshot, created=snapshot.taken - timedelta(days=500))
    assert "2025-12-31 or earlier" in history.ages(old, history_of_two(old)).to_text()


class Restorer(Desk):
    """A desk at which the restore runbook is run, and the secret as the administrator sees it."""

    def __init__(self, root: Path, sandbox: Sandbox) -> None:
        super().__init__(root, sandbox)
        self.secret = KeptSecret(sandbox)

    def restore(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.call([str(COMMAND), "run", "restore", "--record", str(self.record), *arguments])

    def redeploy(self) -> None:
        """Give every consumer new tasks, and wait for them."""
        ecs = client(self.sandbox, "ecs")
        for service in ("backend", "worker"):
            ecs.update_service(cluster="ohmycoins-staging", service=service, forceNewDeployment=True)
        until(lambda: all(len(service["deployments"]) == 1 for service in self.services()))

    def services(self) -> Any:
        names = ["backend", "worker"]
        return client(self.sandbox, "ecs").describe_services(cluster="ohmycoins-staging", services=names)["services"]

    def process_values(self, key: str) -> set[str]:
        """The values of a key in the environments of the consumers' processes."""
        tasks = [task for task in lifecycle.status(self.sandbox)["tasks"] if task["pid"]]
        return {environment_of(task["pid"])[key] for task in tasks if task["service"] in ("backend", "worker")}


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Restorer:
    return Restorer(tmp_path, sandbox)


def test_a_dry_run_changes_nothing_an_apply_mends_and_a_second_one_finds_nothing_to_do(desk: Restorer) -> None:
    """A wrong value is in every process; afterwards the old one is, and running it again stays there."""
    good, secret_values = desk.secret.current, values(desk.sandbox)
    (right,) = desk.process_values("OPENAI_API_KEY")
    wrong = f"sk-{secrets.token_hex(20)}"
    bad = desk.secret.put(OPENAI_API_KEY=wrong)
    desk.redeploy()
    assert desk.process_values("OPENAI_API_KEY") == {wrong}
    words = ("-p", "version", "AWSPREVIOUS")
    for arguments in (("-p", "apply", "true"), words):
        dry = desk.restore(*arguments)
        assert (dry.returncode, dry.stdout, dry.stderr) == (0, "", ""), arguments
        assert desk.secret.current == bad and desk.outcome()["changes"] == []
    assert desk.process_values("OPENAI_API_KEY") == {wrong}

    process = desk.restore(*words, "-p", "apply", "true")
    assert (process.returncode, process.stderr) == (0, "")
    assert desk.secret.current == good and desk.process_values("OPENAI_API_KEY") == {right}
    change_rows = [(entry.get("key"), entry.get("service"), entry["action"]) for entry in desk.outcome()["changes"]]
    assert change_rows == [
        ("OPENAI_API_KEY", None, "changed"),
        (None, "backend", "redeployed"),
        (None, "worker", "redeployed"),
    ]

    again = desk.restore(*words, "-p", "apply", "true")
    assert again.returncode == 0 and desk.secret.current == good and desk.outcome()["changes"] == []

    forward = desk.restore("-p", "version", bad[:8], "-p", "apply", "true")
    assert forward.returncode == 0 and desk.secret.current == bad and desk.process_values("OPENAI_API_KEY") == {wrong}
    assert_nothing_leaked(desk, [*secret_values, wrong], process.stdout, again.stdout, forward.stdout)


def test_a_run_that_was_killed_after_its_move_is_finished_by_a_second_one(desk: Restorer) -> None:
    """AWSCURRENT is back already and no task knows: the same run again gives them new ones."""
    good, wrong = desk.secret.current, f"sk-{secrets.token_hex(20)}"
    (right,) = desk.process_values("OPENAI_API_KEY")
    bad = desk.secret.put(OPENAI_API_KEY=wrong)
    desk.redeploy()
    desk.secret.secretsmanager.update_secret_version_stage(
        SecretId=SECRET, VersionStage="AWSCURRENT", MoveToVersionId=good, RemoveFromVersionId=bad
    )
    again = desk.restore("-p", "version", "AWSPREVIOUS", "-p", "apply", "true")
    assert again.returncode == 0 and desk.secret.current == good and desk.process_values("OPENAI_API_KEY") == {right}
    assert {entry["action"] for entry in desk.outcome()["changes"]} == {"redeployed"}


def test_a_version_that_does_not_work_either_is_taken_back(desk: Restorer) -> None:
    """The plan warns, tasks fail, and the secret and the services are as they were: exit 1 with the cause."""
    right = desk.process_values("SECRET_KEY")
    bad = desk.secret.put(SECRET_KEY="changethis")
    now = desk.secret.put(SECRET_KEY=next(iter(right)))
    process = desk.restore("-p", "version", bad, "-p", "apply", "true")
    assert process.returncode == 1 and desk.secret.current == now and desk.process_values("SECRET_KEY") == right
    by_check = {finding["check"]: finding for finding in desk.outcome()["findings"] if finding["status"] == "found"}
    assert "change-failed" in by_check
    cause = by_check["changethis"]
    assert cause["evidence"][-1] == f"This was found in version {bad[:8]}, which is no longer current."
    assert cause["remedy"]["command"] == "Restore another version, or write SECRET_KEY by update."
    assert_nothing_leaked(desk, [*right], process.stdout, process.stderr)


@pytest.mark.parametrize(
    ("version", "reason"), [("AWSPREVIOUSLY", "has no version with that id or label"), ("0123456789abcdef", "only ")]
)
def test_bad_input_gets_one_sentence_and_moves_nothing(desk: Restorer, version: str, reason: str) -> None:
    """Exit 3, one line, and AWSCURRENT where it was."""
    stages = desk.secret.stages
    process = desk.restore("-p", "version", version, "-p", "apply", "true")
    assert process.returncode == 3 and reason in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr and [*desk.work.iterdir()] == []
    assert desk.secret.stages == stages


def test_a_version_without_a_key_that_tasks_reference_is_planned_and_refused(desk: Restorer) -> None:
    """No task could start: where it was killed halfway, no second run could bring it to an end."""
    mend(desk.sandbox.endpoint)
    text, put_secret_value = desk.secret.text, desk.secret.secretsmanager.put_secret_value
    without = {key: value for key, value in desk.secret.members.items() if key != "SMTP_HOST"}
    lacking = put_secret_value(SecretId=SECRET, SecretString=json.dumps(without))["VersionId"]
    put_secret_value(SecretId=SECRET, SecretString=text)
    stages = desk.secret.stages
    dry = desk.restore("--summary", "-p", "version", lacking)
    assert dry.returncode == 1 and "SMTP_HOST would be removed." in desk.outcome()["plan"]
    # Nothing is wrong with what is in force, and yet this plan is not well.
    assert not [each for each in desk.outcome()["findings"] if each["status"] == "found"]
    assert [desk.outcome()["status"], desk.outcome()["targets"][0]["status"]] == ["findings", "findings"]
    # A command that is refused is not offered.
    assert "Refused until this is fixed: New tasks of backend" in dry.stdout and "Apply it" not in dry.stdout
    [blocker] = desk.outcome()["blockers"]
    [record] = desk.record.glob("restore-*.html")
    page = record.read_text()
    assert html.escape(blocker) in page and "the plan cannot be applied yet" in page
    process = desk.restore("-p", "version", lacking, "-p", "apply", "true")
    assert process.returncode == 3 and desk.secret.stages == stages
    message = process.stderr.splitlines()[-1]
    assert "New tasks of backend would not start without SMTP_HOST" in message and "Nothing was written" in message


def test_an_edit_after_the_plan_stays_and_is_told(desk: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare and swap: somebody was faster, the plan is refused with who, and nothing of theirs is lost."""
    sign_in(desk.sandbox, monkeypatch)
    desk.secret.put(SMTP_PASSWORD=secrets.token_urlsafe(24))
    run = runbooks_run.begin("restore", "staging")
    snapshot = run.look()
    plan = restore.plan(snapshot, restore.history(run, snapshot), "AWSPREVIOUS")
    theirs = desk.secret.put(SMTP_PASSWORD=secrets.token_urlsafe(24))
    with pytest.raises(ConflictError, match=r"administrator.*differs in SMTP_PASSWORD"):
        secret_change.apply(run, plan, True)
    assert desk.secret.current == theirs


def test_a_version_that_somebody_puts_back_meanwhile_is_told(desk: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWSPREVIOUS was on ours before, too: nothing but the time tells it from an old read."""
    sign_in(desk.sandbox, monkeypatch)
    # New tasks take longer, and any wait after them would fail.
    monkeypatch.setattr(current_version, "SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(current_version, "SETTLE_INTERVAL", -1)
    base = desk.secret.put(SMTP_PASSWORD=secrets.token_urlsafe(24))
    run = runbooks_run.begin("restore", "staging")
    snapshot = run.look()
    plan = restore.plan(snapshot, restore.history(run, snapshot), "AWSPREVIOUS")

    def step(name: str) -> None:
        if name == "release":
            desk.secret.secretsmanager.update_secret_version_stage(
                SecretId=SECRET, VersionStage="AWSCURRENT", MoveToVersionId=base, RemoveFromVersionId=plan.token
            )

    result = secret_change.apply(run, plan, True, live=SteppedChange(step))
    assert result and not result.is_proved and desk.secret.current == base
    [finding] = [each for each in result.findings if each.check == "version-overtaken"]
    assert f"made version {base} current again" in finding.evidence[0]


def test_a_version_that_never_reads_back_is_nobody_elses_doing(desk: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows who is to blame, or whether anybody is."""
    sign_in(desk.sandbox, monkeypatch)
    desk.secret.put(SMTP_PASSWORD=secrets.token_urlsafe(24))
    run = runbooks_run.begin("restore", "staging")
    snapshot = run.look()
    plan = restore.plan(snapshot, restore.history(run, snapshot), "AWSPREVIOUS")
    read_late(monkeypatch, "move_current", 1_000_000)
    monkeypatch.setattr(current_version, "SETTLE_SECONDS", 0.1)
    with pytest.raises(CouldNotLook, match="does not read back as written"):
        secret_change.apply(run, plan, True)
    assert desk.secret.current == plan.token


def test_being_overtaken_fails_the_cell_under_plain_papermill(desk: Restorer) -> None:
    """The error stands in the cell that changes, and nowhere in the notebook is a value."""
    desk.secret.put(SMTP_PASSWORD=(theirs := secrets.token_urlsafe(24)))
    notebook = nbformat.read(notebooks() / "restore.ipynb", as_version=4)
    position = next(number for number, cell in enumerate(notebook.cells) if cell.id == "apply")
    source = f"""
import boto3, json
other = boto3.client("secretsmanager", region_name="{REGION}")
old = json.loads(other.get_secret_value(SecretId="{SECRET}", VersionStage="AWSCURRENT")["SecretString"])
answer = other.put_secret_value(SecretId="{SECRET}", SecretString=json.dumps(old | {{"SMTP_USER": "a@b.test"}}))"""
    notebook.cells.insert(position, nbformat.v4.new_code_cell(source.strip()))
    nbformat.write(notebook, desk.work / "raced.ipynb")
    command = [str(PAPERMILL), "raced.ipynb", "out.ipynb", "-p", "version", "AWSPREVIOUS", "-p", "apply", "True"]
    assert desk.call(command).returncode != 0
    cells = nbformat.read(desk.work / "out.ipynb", as_version=4).cells
    failed = [(cell.id, out.ename) for cell in cells for out in cell.get("outputs", ()) if out.output_type == "error"]
    assert failed == [("apply", "ConflictError")]
    assert_nothing_leaked(desk, [*values(desk.sandbox), theirs])
