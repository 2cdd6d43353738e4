"""The update runbook, run as its users run it, and its writer against others, in a sandbox of real processes."""

from __future__ import annotations

import json
import os
import pty
import secrets
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from support import forked_command
from support.administrator import KeptSecret
from support.paths import SUPPORT
from support.runs import COMMAND, PAPERMILL, Desk, assert_nothing_leaked, deny, sign_in, values
from support.update_process import fingerprint

from omc_runbook.aws import secretsmanager
from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.checks import remedies
from omc_runbook.headless import notebooks as headless_notebooks
from omc_runbook.headless import run as headless_run
from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.masking.value import Masked
from omc_runbook.model import errors
from omc_runbook.model.errors import ConflictError, CouldNotLook, UsageError
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import secret_change
from omc_runbook.runbooks.run import Run
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import REGION
from omc_runbook.sandbox.lifecycle import Sandbox

WRITER = SUPPORT / "update_process.py"
LABEL = "omc-runbook-"


class Updater(Desk):
    """A desk at which the update runbook is run."""

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(COMMAND), "run", "update", "--record", str(self.record), *arguments]
        return self.call(command, **variables)

    def notebook(self) -> str:
        """The record's newest notebook."""
        return max(self.record.glob("*.ipynb"), key=lambda path: path.stat().st_mtime).read_text()

    def source(self, **new: str) -> Path:
        """A file of new values, in the working folder and readable by its owner alone."""
        path = self.work / "new.json"
        path.touch(0o600)
        path.write_text(json.dumps(new))
        return path


KILLED = """
import os, signal, sys
from omc_runbook import cli
from omc_runbook.changes.values import source_file
consume = source_file.consume
def kill(*arguments):
    consume(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
source_file.consume = kill
sys.exit(cli.main())
"""
"""The command, killed right after it has removed the file with the new values."""


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Updater:
    return Updater(tmp_path, sandbox)


@pytest.fixture
def own(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> KeptSecret:
    """A secret of this test's own, which the runbook takes for staging's and production's."""
    secret = KeptSecret(sandbox, f"own-{secrets.token_hex(4)}")
    members = {key: secrets.token_hex(32) for key in ("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD")}
    secret.secretsmanager.create_secret(
        Name=secret.name, SecretString=json.dumps(members | {"SMTP_PORT": 587}, indent=1)
    )
    sign_in(sandbox, monkeypatch)
    monkeypatch.setenv("OMC_SECRET", secret.name)
    monkeypatch.setenv("OMC_CLUSTER", "ohmycoins-staging")
    return secret


def plan_of(run: Run, **new: str) -> Any:
    """A plan of these values on the secret as it is now, from a variable."""
    snapshot = run.look()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEW", json.dumps(new))
        return secret_change.plan(run, snapshot, secret_change.gather(run, snapshot, "env:NEW"))


def test_a_dry_run_changes_nothing_an_apply_does_and_a_second_one_finds_nothing_to_do(desk: Updater) -> None:
    """The file stays until the values are written; then it goes, and a copy of it is no change."""
    secret, before = KeptSecret(desk.sandbox), values(desk.sandbox)
    text, stages = secret.text, secret.stages
    new = {"SECRET_KEY": secrets.token_hex(32), "SMTP_PASSWORD": secrets.token_urlsafe(24)}
    path = desk.source(**new)
    words = ("-p", "values_from", "file:new.json")

    dry = desk.run(*words)
    assert (dry.returncode, dry.stdout, dry.stderr) == (0, "", "")
    assert (secret.text, secret.stages) == (text, stages) and path.exists()
    assert desk.outcome()["changes"] == []

    process = desk.run(*words, "-p", "apply", "true")
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
    old = json.loads(text)
    assert secret.text == text.replace(old["SECRET_KEY"], new["SECRET_KEY"]).replace(
        old["SMTP_PASSWORD"], new["SMTP_PASSWORD"]
    )
    assert not path.exists() and not secret.labels()
    current = secret.current
    assert desk.outcome()["status"] == "ok"
    assert [change for change in desk.outcome()["changes"] if "key" in change] == [
        {"key": key, "action": "changed", "origin": "file new.json", "version": current} for key in new
    ]
    assert_nothing_leaked(desk, [*before, *new.values()], process.stdout, process.stderr)

    desk.source(**new)
    again = desk.run(*words, "-p", "apply", "true", "-p", "keep_source", "true")
    assert again.returncode == 0 and desk.outcome()["changes"] == []
    assert path.exists() and secret.current == current


def test_what_was_wrong_before_and_still_is_is_a_remark(own: KeptSecret, desk: Updater) -> None:
    """A placeholder that stays is reported; the change is done and proved all the same, and that decides."""
    own.put(FIRST_SUPERUSER_PASSWORD="temporary-superuser-password-please-update", SENTRY_DSN="")
    words = ("-p", "values_from", "generate", "-p", "keys", "SECRET_KEY", "-p", "apply", "true")
    process = desk.run(*words, "--summary")
    body = desk.outcome()
    assert process.returncode == 0 and body["root_causes"] == []
    (remark,) = [finding for finding in body["findings"] if finding["status"] == "found"]
    assert (remark["check"], remark["severity"]) == ("placeholder", "info") and "before this run" in remark["evidence"][
        -1
    ]
    assert [(change["key"], change["origin"]) for change in body["changes"]] == [("SECRET_KEY", "generated (hex-32)")]
    assert "changed  SECRET_KEY" in process.stdout
    assert_nothing_leaked(desk, [own.members["SECRET_KEY"]], process.stdout, process.stderr)


def test_a_plan_ends_with_1_while_the_error_stands_that_it_is_against(own: KeptSecret, desk: Updater) -> None:
    """The remedy of a finding mends nothing before it is applied: PLAN, the error, and the command, which does it."""
    own.put(FIRST_SUPERUSER_PASSWORD="temporary-superuser-password-please-update")
    text, words = own.text, ("-p", "values_from", "generate", "-p", "keys", "FIRST_SUPERUSER_PASSWORD")
    dry = desk.run(*words)
    body = desk.outcome()
    assert (dry.returncode, body["status"], body["root_causes"]) == (1, "findings", ["placeholder"])
    assert body["applied"] is False and own.text == text
    assert body["plan"][0].startswith("FIRST_SUPERUSER_PASSWORD would be changed (generated")
    assert "PLAN: nothing was changed (placeholder)" in dry.stdout
    assert f"plan     {body['plan'][0]}" in dry.stdout
    (command,) = [line.partition("Apply it: ")[2] for line in dry.stdout.splitlines() if "Apply it" in line]
    process = desk.call([str(COMMAND), *shlex.split(command)[1:]])
    assert process.returncode == 0, process.stdout
    body = desk.outcome()
    assert (body["status"], body["applied"]) == ("ok", True) and own.text != text
    assert_nothing_leaked(desk, [own.members["FIRST_SUPERUSER_PASSWORD"]], dry.stdout, process.stdout)


def test_a_plan_of_what_is_not_wrong_says_that_it_is_one(own: KeptSecret, desk: Updater) -> None:
    """A healthy key, and an error of another, which the plan is not against: exit 0, and PLAN in the notebook."""
    own.put(FIRST_SUPERUSER_PASSWORD="temporary-superuser-password-please-update")
    dry = desk.run("-p", "values_from", "generate", "-p", "keys", "SECRET_KEY", "--summary")
    assert (dry.returncode, desk.outcome()["status"], desk.outcome()["applied"]) == (0, "ok", False)
    assert dry.stdout.startswith("update on staging: PLAN: nothing was changed\n")
    assert "PLAN: nothing was changed in staging; already wrong: placeholder" in desk.notebook()
    idle = desk.run("--summary")
    assert (idle.returncode, desk.outcome()["plan"]) == (0, [])
    assert "nothing new is wrong in staging; already wrong: placeholder" in desk.notebook()
    assert "PLAN" not in idle.stdout


BAD_INPUT = {
    "nobody to ask": (
        ["-p", "values_from", "prompt", "-p", "keys", "SECRET_KEY"],
        "A prompt needs an interactive session",
    ),
    "a placeholder": (["-p", "values_from", "file:new.json"], "is a placeholder"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_one_sentence_and_writes_nothing(desk: Updater, case: str) -> None:
    """Exit 3, one line on standard error, no record, the secret and the file as they were."""
    arguments, reason = BAD_INPUT[case]
    path, stages = desk.source(SECRET_KEY="please-update-me"), KeptSecret(desk.sandbox).stages
    process = desk.run(*arguments, "-p", "apply", "true")
    assert process.returncode == 3
    assert reason in process.stderr and len(process.stderr.strip().splitlines()) == 1
    assert [*desk.work.iterdir()] == [path] and KeptSecret(desk.sandbox).stages == stages


def test_a_value_on_the_command_line_is_refused_and_not_repeated(desk: Updater) -> None:
    """Also where somebody takes values_from for the value itself."""
    value = secrets.token_urlsafe(32)
    process = desk.run("-p", "values_from", value, "-p", "keys", "SECRET_KEY", "-p", "apply", "true")
    assert process.returncode == 3 and value not in process.stderr
    assert "looks like a secret" in process.stderr


@pytest.mark.parametrize("source", [(), ("-p", "values_from", "prompt")], ids=["no source", "prompt"])
def test_at_a_terminal_a_prompt_asks_hidden(own: KeptSecret, desk: Updater, source: tuple[str, ...]) -> None:
    """`omc-runbook run` asks on the terminal itself; what is typed stands neither there nor in the record."""
    new, screen = secrets.token_urlsafe(24), b""
    words = ("-p", "keys", "SMTP_PASSWORD", *source, "-p", "apply", "true")
    process, terminal = pty.fork()
    if not process:
        os.chdir(desk.work)
        os.execve(COMMAND, [str(COMMAND), "run", "update", "--record", str(desk.record), *words], desk.variables)
    with suppress(OSError):
        while text := os.read(terminal, 1024):
            screen += text
            if b"New value of SMTP_PASSWORD" in screen and new:
                os.write(terminal, f"{new}\n".encode())
                typed, new = new, ""
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(terminal)
    assert (code, own.members["SMTP_PASSWORD"]) == (0, typed), screen
    assert_nothing_leaked(desk, [typed], screen.decode())


@pytest.mark.usefixtures("forked_kernels")
def test_in_a_kernel_with_a_person_a_prompt_asks_hidden(own: KeptSecret, desk: Updater) -> None:
    """The notebook's cells ask for each key once, as a password, and no message holds what was typed."""
    prompts: list[tuple[str, bool]] = []
    messages: list[str] = []
    new = secrets.token_hex(32)
    cells = [c for c in nbformat.read(notebooks() / "update.ipynb", as_version=4).cells if c.cell_type == "code"]
    assignment = 'values_from, keys, apply = "prompt", "SECRET_KEY", True'
    codes = [
        code
        for c in cells
        for code in (c.source, *([assignment] if "parameters" in c.metadata.get("tags", ()) else ()))
    ]
    manager, kernel = start_new_kernel(kernel_name="python3", env=desk.variables)

    def answer(message: Any) -> None:
        prompts.append((message["content"]["prompt"], message["content"]["password"]))
        kernel.input(new)

    try:
        for code in codes:
            reply = kernel.execute_interactive(
                code, allow_stdin=True, stdin_hook=answer, output_hook=lambda m: messages.append(str(m)), timeout=30
            )
            assert reply["content"]["status"] == "ok", reply["content"]
            messages.append(str(reply))
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
    assert prompts == [("New value of SECRET_KEY: ", True)]
    assert own.members["SECRET_KEY"] == new
    assert "Written: SECRET_KEY changed; no service got new tasks." in "".join(messages)
    assert_nothing_leaked(desk, [new], *messages)


def write_raced(own: KeptSecret, path: Path) -> None:
    """The update notebook, with somebody else's edit right before its own."""
    notebook = nbformat.read(notebooks() / "update.ipynb", as_version=4)
    position = next(number for number, cell in enumerate(notebook.cells) if cell.id == "apply")
    source = f"""
import boto3, json
other = boto3.client("secretsmanager", region_name="{REGION}")
old = json.loads(other.get_secret_value(SecretId="{own.name}", VersionStage="AWSCURRENT")["SecretString"])
answer = other.put_secret_value(SecretId="{own.name}", SecretString=json.dumps(old | {{"SMTP_PORT": 25}}))"""
    notebook.cells.insert(position, nbformat.v4.new_code_cell(source.strip()))
    nbformat.write(notebook, path)


def test_being_overtaken_leaves_a_record(own: KeptSecret, desk: Updater, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler's run ends with 2, and its outcome says who was faster."""
    write_raced(own, desk.work / "update.ipynb")
    monkeypatch.setattr(headless_notebooks, "folder", lambda: desk.work)
    pairs = [("values_from", f"file:{desk.source(SECRET_KEY=secrets.token_hex(32))}"), ("apply", "true")]
    process = headless_run.run("update", pairs, desk.record)
    body = desk.outcome()
    assert (process.exit_code, body["status"], body["changes"]) == (2, "failed", [])
    assert body["failure"].startswith("Somebody else changed") and "administrator" in body["failure"]
    assert body["failure"] in "\n".join(map(str, process.summary)) and len([*desk.record.iterdir()]) == 4


def test_a_write_that_aws_refuses_leaves_a_record_and_a_look_does_not(own: KeptSecret, desk: Updater) -> None:
    """Both end with 2 and a sentence; only from the change on is there something to keep."""
    words = ("-p", "values_from", "generate", "-p", "keys", "SECRET_KEY", "-p", "apply", "true")
    for action in ("GetSecretValue", "PutSecretValue"):
        wire = {"action": f"secretsmanager:{action}", "error": "AccessDeniedException", "count": 1}
        lifecycle.ask(desk.sandbox, "POST", "wire", wire)
        process = desk.run(*words)
        assert process.returncode == 2 and f"secretsmanager:{action} is missing" in process.stdout + process.stderr
        assert desk.record.exists() == (action == "PutSecretValue")
    assert desk.outcome()["status"] == "failed" and not own.labels()


def test_being_overtaken_fails_the_cell_that_writes(own: KeptSecret, desk: Updater) -> None:
    """Under plain papermill the notebook stops there, in one sentence with who and which keys; theirs stays."""
    write_raced(own, desk.work / "raced.ipynb")
    path, before = desk.source(SECRET_KEY=(new := secrets.token_hex(32))), own.members
    command = [str(PAPERMILL), "raced.ipynb", "out.ipynb", "-p", "values_from", "file:new.json", "-p", "apply", "True"]
    assert desk.call(command).returncode != 0
    cells = nbformat.read(desk.work / "out.ipynb", as_version=4).cells
    failed = [
        (cell.id, output) for cell in cells for output in cell.get("outputs", ()) if output.output_type == "error"
    ]
    assert [(cell_id, error.ename) for cell_id, error in failed] == [("apply", "ConflictError")]
    assert "administrator" in failed[0][1].evalue and "SMTP_PORT" in failed[0][1].evalue
    assert own.members == before | {"SMTP_PORT": 25} and not own.labels() and path.exists()
    path.unlink()
    assert_nothing_leaked(desk, [new, str(before["SECRET_KEY"])])


def test_someone_elses_edit_stays_and_the_plan_can_be_made_again_on_top(own: KeptSecret) -> None:
    """The writer names the keys that differ; nothing of either is lost after the second try."""
    run, before = runbooks_run.begin("update", "staging"), own.members
    new = secrets.token_hex(32)
    plan = plan_of(run, SECRET_KEY=new)
    own.put(POSTGRES_PASSWORD=(theirs := secrets.token_hex(16)))
    with pytest.raises(ConflictError) as error:
        secret_change.apply(run, plan, True)
    assert "differs in POSTGRES_PASSWORD" in str(error.value) and error.value.exit_code == 2
    assert errors.find_class("ConflictError") is ConflictError
    assert own.members == before | {"POSTGRES_PASSWORD": theirs} and not own.labels()
    secret_change.apply(run, plan_of(run, SECRET_KEY=new), True)
    assert own.members == before | {"POSTGRES_PASSWORD": theirs, "SECRET_KEY": new}


def test_an_edit_right_after_the_write_is_told_as_one(own: KeptSecret, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes between the write and its proof is named with the keys, and so is the written version."""
    run, drop = runbooks_run.begin("update", "staging"), secretsmanager.drop_label

    def edit(*arguments: Any) -> None:
        own.put(SMTP_PORT=25)
        drop(*arguments)

    monkeypatch.setattr(secretsmanager, "drop_label", edit)
    plan = plan_of(run, SECRET_KEY=(new := secrets.token_hex(32)))
    result = secret_change.apply(run, plan, True)
    assert result and not result.is_proved and result.findings[-1].status == "unknown"
    (line,) = result.findings[-1].evidence
    assert f"got version {plan.token}, and then another" in line
    assert "differs from it in SMTP_PORT" in line and "administrator" in line
    assert (own.members["SECRET_KEY"], own.members["SMTP_PORT"]) == (new, 25)


@pytest.mark.parametrize("action", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_a_missing_permission_is_named_and_nothing_becomes_current(
    own: KeptSecret, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """A label that could not be taken away goes with the next write by somebody who may."""
    before, new = own.text, secrets.token_hex(32)
    with monkeypatch.context() as patch:
        deny(own.sandbox, patch, f"secretsmanager:{action}")
        run = runbooks_run.begin("update", "staging")
        with pytest.raises(CouldNotLook, match=f"Could not change .*secretsmanager:{action} is missing"):
            secret_change.apply(run, plan_of(run, SECRET_KEY=new), True)
    assert own.text == before
    run = runbooks_run.begin("update", "staging")
    secret_change.apply(run, plan_of(run, SECRET_KEY=new), True)
    assert own.members["SECRET_KEY"] == new and not own.labels()


def test_every_written_version_can_be_put_back(own: KeptSecret) -> None:
    """The command that undoes it is accepted, and gives back the former text."""
    run, text = runbooks_run.begin("update", "staging"), own.text
    plan = plan_of(run, SECRET_KEY=secrets.token_hex(32))
    secret_change.apply(run, plan, True)
    words = remedies.restore(run.environment, plan.base, plan.token).command.split()
    options = dict(zip(words[3::2], words[4::2], strict=True))
    own.secretsmanager.update_secret_version_stage(
        SecretId=options["--secret-id"],
        VersionStage=options["--version-stage"],
        MoveToVersionId=options["--move-to-version-id"],
        RemoveFromVersionId=options["--remove-from-version-id"],
    )
    assert own.text == text
    secret_change.apply(run, plan, True)
    assert own.text != text and not own.labels()


def test_keys_are_removed_when_named_and_only_then(own: KeptSecret) -> None:
    """Dry first; then the member is gone and the others are as they were."""
    run, before = runbooks_run.begin("update", "staging"), own.text
    snapshot = run.look()
    plan = secret_change.plan(run, snapshot, NewValues({}), "SMTP_PORT")
    assert secret_change.apply(run, plan, False) is None and own.text == before
    assert secret_change.apply(run, plan, True)
    assert own.text == before.replace(',\n "SMTP_PORT": 587', "")


def test_a_key_that_the_last_change_removed_is_removed_already(own: KeptSecret) -> None:
    """The same change again is nothing to do, also after a kill; a name that no version had is refused as before."""
    run = runbooks_run.begin("update", "staging")
    secret_change.apply(run, secret_change.plan(run, run.look(), NewValues({}), "SMTP_PORT"), True)
    after, snapshot = own.text, run.look()
    again = secret_change.plan(run, snapshot, NewValues({}), " SMTP_PORT ")
    assert not again.changed and "SMTP_PORT is removed already" in " ".join(again.notes)
    with pytest.raises(UsageError, match="SMTP_PROT cannot be removed, since it is not in the secret"):
        secret_change.plan(run, snapshot, NewValues({}), "SMTP_PORT,SMTP_PROT")
    value = NewValues({"SMTP_PORT": NewValue(Masked("587", "SMTP_PORT"), "a test")})
    with pytest.raises(UsageError, match="SMTP_PORT is both set and removed"):
        secret_change.plan(run, snapshot, value, "SMTP_PORT")
    assert own.text == after


def test_whether_a_key_was_removed_is_not_known_where_the_version_before_cannot_be_read(own: KeptSecret) -> None:
    """The error names the key, which may be misspelt, beside the permission."""
    own.put(SMTP_PORT=25)
    run = runbooks_run.begin("update", "staging")
    snapshot, before = run.look(), own.text
    wire = {"action": "secretsmanager:GetSecretValue", "error": "AccessDeniedException", "count": 1}
    lifecycle.ask(own.sandbox, "POST", "wire", wire)
    with pytest.raises(CouldNotLook, match=r"^SMTP_PROT is not in the secret.* secretsmanager:GetSecretValue"):
        secret_change.plan(run, snapshot, NewValues({}), "SMTP_PROT")
    assert own.text == before


def test_a_run_that_was_killed_after_it_removed_its_source_file_says_how_it_is_finished(
    own: KeptSecret, desk: Updater
) -> None:
    """The same command again finds no file; the other one, pasted, ends the change. Another file is only not there."""
    path = desk.source(SECRET_KEY=(new := secrets.token_hex(32)))
    words = ("run", "update", "-p", "values_from", "file:new.json", "-p", "apply", "true", "--record", str(desk.record))
    script = desk.root / "killed.py"
    script.write_text(KILLED)
    killed = forked_command.run([sys.executable, str(script), *words], desk.variables, desk.work, kernels=0)
    assert killed.returncode == -signal.SIGKILL and not path.exists() and own.members["SECRET_KEY"] == new
    again = desk.run("-p", "values_from", "file:new.json", "-p", "apply", "true")
    assert again.returncode == 3 and "new.json does not exist: update, begun " in again.stderr, again.stderr
    command = again.stderr.strip().partition("To finish that: ")[2]
    assert command.startswith("omc-runbook run rotate -p environment staging -p values_from keep")
    other = desk.run("-p", "values_from", "file:other.json", "-p", "apply", "true")
    assert other.returncode == 3 and "begun" not in other.stderr
    finished = desk.call([str(COMMAND), *shlex.split(command)[1:], "--record", str(desk.record)])
    assert finished.returncode == 0 and not own.labels() and not [*desk.record.glob("*.state.json")]
    assert "begun" not in desk.run("-p", "values_from", "file:new.json").stderr


def test_production_wants_its_name_as_well(own: KeptSecret) -> None:
    """Without it nothing is written; planning needs no word."""
    run = runbooks_run.begin("update", "production")
    plan, before = plan_of(run, SECRET_KEY=secrets.token_hex(32)), own.text
    for confirm in ("", "yes", "staging"):
        with pytest.raises(UsageError, match='confirm = "production"'):
            secret_change.apply(run, plan, True, confirm)
    assert own.text == before
    assert secret_change.apply(run, plan, True, "production") and own.text != before


def whole() -> dict[str, str]:
    """A document of a person's own, with every key that is required."""
    return {
        **{key: secrets.token_hex(32) for key in ("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD")},
        "OPENAI_API_KEY": f"sk-{secrets.token_hex(16)}",
        "FIRST_SUPERUSER": "admin@ohmycoins.test",
    }


@pytest.mark.parametrize("former", ["SECRET_KEY=no JSON", '["a list"]', b"bytes"])
def test_what_is_no_document_is_replaced_by_a_whole_one_only(own: KeptSecret, former: str | bytes) -> None:
    """Too few keys are refused; the plan says what is replaced, and the former content can be restored."""
    content = {"SecretString": former} if isinstance(former, str) else {"SecretBinary": former}
    own.secretsmanager.put_secret_value(SecretId=own.name, **content)
    run, stages, new = runbooks_run.begin("update", "staging"), own.stages, whole()
    with pytest.raises(UsageError, match=r"is not a JSON object.* FIRST_SUPERUSER would be missing"):
        plan_of(run, **{key: value for key, value in new.items() if key != "FIRST_SUPERUSER"})
    plan = plan_of(run, **new)
    note = plan.notes[-1]
    assert "all of it is replaced" in note and plan.base[:8] in note and own.stages == stages
    assert secret_change.apply(run, plan, True)
    assert own.members == new and not own.labels()
    before = own.secretsmanager.get_secret_value(SecretId=own.name, VersionStage="AWSPREVIOUS")
    assert before["VersionId"] == plan.base and former in (before.get("SecretString"), before.get("SecretBinary"))


def test_nothing_is_planned_where_nothing_is_given(own: KeptSecret) -> None:
    """Run All with the parameters as they are is safe and says so, also where there is no document."""
    own.secretsmanager.put_secret_value(SecretId=own.name, SecretString="no JSON")
    run = runbooks_run.begin("update", "staging")
    plan = plan_of_nothing(run)
    assert plan.is_empty and plan.notes == () and secret_change.apply(run, plan, True) and own.text == "no JSON"


def plan_of_nothing(run: Run) -> Any:
    snapshot = run.look()
    return secret_change.plan(run, snapshot, secret_change.gather(run, snapshot, ""))


def test_of_two_first_versions_the_second_is_refused(own: KeptSecret, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret without a value takes the first write; another run that planned on none gets a ConflictError."""
    monkeypatch.setenv("OMC_SECRET", name := f"bare-{secrets.token_hex(4)}")
    own.secretsmanager.create_secret(Name=name)
    bare, run = KeptSecret(own.sandbox, name), runbooks_run.begin("update", "staging")
    mine, late = whole(), whole()
    plan, other = plan_of(run, **mine), plan_of(run, **late)
    assert plan.base == "" and "becomes its first version" in plan.notes[-1]
    with pytest.raises(UsageError, match=r"has no value yet.* would be missing"):
        secret_change.plan(run, before := run.look(), secret_change.gather(run, before, "renew", "SECRET_KEY"))
    assert secret_change.apply(run, plan, True) and bare.members == mine and not bare.labels()
    with pytest.raises(ConflictError, match="Theirs stays"):
        secret_change.apply(run, other, True)
    assert bare.members == mine and not bare.labels() and len(bare.versions) == 2
    assert plan_of(run, **mine).is_empty


def call_writer(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(WRITER), *arguments]
    return forked_command.run(command, dict(os.environ) | variables, Path.cwd(), seconds=60)


STEPS = ["PutSecretValue", "UpdateSecretVersionStage", "UpdateSecretVersionStage"]


@pytest.mark.parametrize("last", range(1, len(STEPS) + 1))
def test_a_writer_killed_after_any_step_is_finished_by_a_second_try(own: KeptSecret, tmp_path: Path, last: int) -> None:
    """Whatever was done, the rerun ends with the values in force, one new version and no label."""
    versions, new = own.versions, {"SECRET_KEY": secrets.token_hex(32)}
    path, last_call = tmp_path / "new.json", tmp_path / "last"
    path.write_text(json.dumps(new))
    killed = call_writer("once", str(path), str(last), LAST_CALL=str(last_call))
    assert (killed.returncode, killed.stdout, last_call.read_text()) == (-9, "", STEPS[last - 1])
    assert bool(own.labels()) == (last < len(STEPS))
    again = call_writer("once", str(path), "0")
    assert again.returncode == 0, again.stderr
    assert own.members["SECRET_KEY"] == new["SECRET_KEY"]
    assert not own.labels() and len(own.versions - versions) == 1


def test_a_label_that_a_killed_writer_left_goes_with_the_next_write_and_not_with_a_dry_run(own: KeptSecret) -> None:
    """Another plan than the killed one tidies up after it."""
    run = runbooks_run.begin("update", "staging")
    stray = {"SecretString": own.text, "VersionStages": [f"{LABEL}stray"]}
    own.secretsmanager.put_secret_value(SecretId=own.name, **stray)
    plan = plan_of(run, SECRET_KEY=secrets.token_hex(32))
    secret_change.apply(run, plan, False)
    assert own.labels()
    secret_change.apply(run, plan, True)
    assert not own.labels() and own.text != stray["SecretString"]


class Racer:
    """A process that writes as `update_process.py` has it, and the pipes to and from it."""

    def __init__(self) -> None:
        (reading, to_it), (from_it, writing) = os.pipe(), os.pipe()
        command = [sys.executable, str(WRITER), "race"]
        self._process = forked_command.Forked(command, os.environ, Path.cwd(), kernels=0, stdin=reading, stdout=writing)
        for its_end in (reading, writing):
            os.close(its_end)
        self.input, self.output = os.fdopen(to_it, "w"), os.fdopen(from_it)

    def end(self) -> int | None:
        """Let it come to its end; its exit code."""
        self.input.close()
        self._process.communicate(timeout=30)
        self.output.close()
        return self._process.poll()


def test_of_racing_writers_one_wins_and_the_other_is_told(own: KeptSecret) -> None:
    """Twenty pairs from two processes: what was acknowledged is there, the rest of the secret is untouched."""
    racers = [Racer() for _ in range(2)]

    def tell(*lines: str) -> list[str]:
        for racer, line in zip(racers, lines, strict=True):
            racer.input.write(f"{line}\n")
            racer.input.flush()
        return [racer.output.readline().strip() for racer in racers]

    try:
        for number in range(20):
            before = own.members
            keys = ("SECRET_KEY", "SECRET_KEY" if number % 2 else "POSTGRES_PASSWORD,FIRST_SUPERUSER_PASSWORD")
            assert tell(*keys) == ["ready", "ready"]
            answers = tell("go", "go")
            assert sorted(words.split()[0] for words in answers) == ["overtaken", "written"]
            won = next(words for words in answers if words.startswith("written"))
            prints = dict(word.split("=") for word in won.split()[1:])
            after = own.members
            assert {key: fingerprint(after[key]) for key in prints} == prints
            assert {k: v for k, v in after.items() if k not in prints} == {
                k: v for k, v in before.items() if k not in prints
            }
            assert not own.labels()
    finally:
        codes = [racer.end() for racer in racers]
    assert codes == [0, 0]
