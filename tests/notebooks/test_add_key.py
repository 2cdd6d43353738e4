"""The add_key runbook end to end: dry, applied, again; killed and half done anywhere; failed, overtaken and undone."""

from __future__ import annotations

import io
import json
import os
import secrets
import shlex
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import hcl2
import pytest
from botocore.client import BaseClient
from dotenv import dotenv_values
from support.add_key_runs import ADDRESS, DESCRIPTION, EDITED, Adder, digest, killed, signed_in
from support.late_reads import read_late
from support.runs import SECRET, assert_nothing_leaked, deny, values
from support.steps import SteppedChange

from omc_runbook.changes import files as changes_files
from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.model import parameters
from omc_runbook.model.errors import ConflictError, CouldNotLook, Interrupted, UsageError
from omc_runbook.model.handover import OUTCOME_VARIABLE
from omc_runbook.report import add_key as report
from omc_runbook.runbooks import add_key, key_addition, secret_change
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks.run import Run
from omc_runbook.runbooks.take_back import offers
from omc_runbook.sandbox.account import ACCOUNT
from omc_runbook.sandbox.faults.change import grant, put, revise
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.build import container_definition, create_service, restore_network
from omc_runbook.sandbox.worlds.staging import CLUSTER, CONSUMERS, EXECUTION_ROLE, KEYS, STAGING, World


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Adder:
    return Adder(tmp_path, sandbox)


@pytest.fixture
def here(desk: Adder, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> Iterator[Adder]:
    """The desk for what is called in this process, with the key's value in a variable."""
    with signed_in(desk.sandbox, monkeypatch, desk.work):
        monkeypatch.setenv("NEW_VALUE", desk.value)
        yield desk


@pytest.fixture
def idle(here: Adder) -> Iterator[Adder]:
    """The same, with desiredCount 0 for backend: its deployments take no time."""
    here.scale(0)
    yield here
    here.scale(2)


def parameter_words(desk: Adder, **more: str) -> tuple[str, ...]:
    values_by_name = {"key": desk.key, "description": DESCRIPTION, "obtain_from": ADDRESS} | more
    return tuple(word for name, value in values_by_name.items() for word in ("-p", name, value))


def text_of(desk: Adder, cell: str) -> str:
    """What a cell of the newest record shows as plain text."""
    newest = max(desk.record.glob("*.ipynb"), key=lambda path: path.stat().st_mtime)
    outputs = next(each["outputs"] for each in json.loads(newest.read_text())["cells"] if each.get("id") == cell)
    return "\n".join("".join(output["data"]["text/plain"]) for output in outputs)


def secret_values(desk: Adder) -> list[str]:
    """The values that must not be found anywhere; the template has addresses at example.com too."""
    return [value for value in values(desk.sandbox) if "example.com" not in value]


def insertion(before: str, after: str) -> str:
    """The text that an edit inserted at one position; all else has to be as before."""
    pairs = zip(before, after, strict=False)
    start = next((at for at, (one, other) in enumerate(pairs) if one != other), len(before))
    end = start + len(after) - len(before)
    assert before == after[:start] + after[end:]
    return after[start:end]


def take_back(desk: Adder, commands: str) -> None:
    """Run the commands that a record shows, as a person would."""
    for line in commands.splitlines():
        words = shlex.split(line.removeprefix("  → ")) if line.startswith("  → ") else []
        if words[:3] == ["aws", "ecs", "update-service"]:
            arguments = dict(zip(words[3::2], words[4::2], strict=False))
            desk.world.ecs.update_service(
                cluster=arguments["--cluster"],
                service=arguments["--service"],
                taskDefinition=arguments["--task-definition"],
                forceNewDeployment="--force-new-deployment" in words,
            )
            desk.world.settle()
        elif words[:3] == ["omc-runbook", "run", "update"]:
            pairs = dict(zip(words[4::3], words[5::3], strict=True))
            arguments = parameters.check(notebooks() / "update.ipynb", pairs.items())
            run = runbooks_run.begin("update", arguments["environment"])
            assert secret_change.apply(
                run,
                secret_change.plan(run, run.look(), NewValues({}), arguments["remove"]),
                arguments["apply"],
                arguments.get("confirm", ""),
            )
        elif words:
            process = desk.call(words)
            assert process.returncode == 0, (words, process.stdout, process.stderr)


def test_a_key_is_taken_back_by_a_person_who_watches_it(here: Adder, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the tasks to the secret, and as well by a button of another process; a file edited since stays."""
    before, text, references = here.edited(), here.text, here.references()
    run = here.begun()
    plan = here.planned(run, values_from="env:NEW_VALUE")
    state = run.state(undo=plan.undos(here.platform.root / ".git"))
    live = SteppedChange(lambda name: live.ask("back") if name == "watch" else None, state)
    result = key_addition.apply(run, plan, True, live=live)
    assert (
        result
        and result.is_cancelled
        and result.is_back
        and "Stopped, as you asked" in report.result(plan, result).to_text()
    )
    assert (here.edited(), here.text, here.references()) == (before, text, references)
    undo = report.undo(plan, result, run.environment).to_text()
    assert f"{EDITED[1]} is as before." in undo and "omc-runbook run" not in undo

    def kill(name: str) -> None:
        if name == "redeploy":
            raise KeyboardInterrupt

    run = here.begun()
    plan = here.planned(run, values_from="env:NEW_VALUE")
    with pytest.raises(Interrupted):
        key_addition.apply(run, plan, True, live=SteppedChange(kill))
    template = here.platform.root / EDITED[1]
    template.write_text(template.read_text().replace(here.key, f"{here.key}_TOO"))
    assert here.text != text
    (choice,) = offers(run, run.state(undo=plan.undos(here.platform.root / ".git")))
    path = here.work / "outcome.json"
    monkeypatch.setenv(OUTCOME_VARIABLE, str(path))
    message = "".join(each.to_text() for each in choice.act(""))  # type: ignore[attr-defined]
    assert f"{EDITED[1]} stays as it is" in message and "Not all of it was taken back" in message
    assert "was stopped, and not taken back" in message and "Nothing is wrong" not in message
    assert json.loads(path.read_text())["status"] == "findings"
    assert (here.text, here.references(), here.key in here.edited()[EDITED[0]]) == (text, references, False)


def test_a_key_is_finished_by_a_button_of_another_process(here: Adder) -> None:
    """With the parameters in the state; the notebook prompts for a value that was typed and not written."""
    run = here.begun()
    plan = here.planned(run, values_from="env:NEW_VALUE")
    undos, answers = plan.undos(here.platform.root / ".git"), {"key": here.key, "description": DESCRIPTION}
    fields_of_form = {
        "environment": "staging",
        "repository": str(here.platform.root),
        "obtain_from": ADDRESS,
        **answers,
    }

    def kill(name: str) -> None:
        if name == "redeploy":
            raise KeyboardInterrupt

    typed = run.state(undo=undos, parameters={**fields_of_form, "values_from": "prompt"})
    finish, _ = key_addition.offers(run, typed)
    with pytest.raises(UsageError, match=r"was typed for KEY_.* did not get to staging: run add_key\.ipynb"):
        [*finish.act("")]
    with pytest.raises(Interrupted):
        key_addition.apply(run, plan, True, live=SteppedChange(kill))
    finish, _ = key_addition.offers(run, typed)
    assert finish.label == "Finish it"
    text = "\n".join(each.to_text() for each in finish.act(""))  # type: ignore[attr-defined]
    assert f"{here.key} was added and verified" in text, text
    assert here.members[here.key] == here.value and here.value not in text
    assert here.key in dict(here.references()) and not here.labels()
    assert finish.live and finish.live.state and {*finish.live.state.undo} >= {*undos}


def test_dry_applied_again_and_undone(desk: Adder, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> None:
    """A dry run changes nothing; an apply adds the lines and proves it; a second one has nothing to do; undo undoes."""
    before, files, clean, aws = desk.text, desk.edited(), desk.tree(), desk.aws()
    references, secrets_to_hide = desk.references(), [*secret_values(desk), desk.value]
    words = parameter_words(desk, values_from="env:NEW_VALUE")
    dry = desk.add(*words, NEW_VALUE=desk.value)
    assert (dry.returncode, dry.stdout, dry.stderr) == (0, "", "")
    assert desk.tree() == clean and desk.aws() == aws and desk.outcome()["changes"] == []
    assert "Nowhere yet" in text_of(desk, "standing") and "dry run" in text_of(desk, "apply")

    process = desk.add(*words, "-p", "apply", "true", "--summary", NEW_VALUE=desk.value)
    assert process.returncode == 0 and f"added    {desk.key}" in process.stdout, process.stdout
    actions = [change["action"] for change in desk.outcome()["changes"]]
    assert actions == ["added", "edited", "edited", "edited", "registered", "redeployed"]
    assert desk.text == f'{before[:-1]}, "{desk.key}": "{desk.value}"}}'
    assert desk.labels() == [] and desk.digests() == [digest(desk.value)] * 2 and desk.digests("worker") == [""]
    names_of_changes = {name for name, content in desk.tree().items() if clean.get(name) != content}
    assert {name for name in names_of_changes if not name.startswith(".git/")} == {*EDITED}
    assert len(references) + 1 == len(desk.references())
    assert_accepted(desk, files)

    undo, after, aws = text_of(desk, "undo"), desk.edited(), desk.aws()
    with signed_in(desk.sandbox, monkeypatch, desk.work):
        again = desk.added(values_from="env:NEW_VALUE")
        assert (again.changes, desk.aws(), desk.edited()) == ((), aws, after)
        assert "Nothing had to be done" in report.result(again.plan, again).to_text()
        take_back(desk, undo)
    assert (desk.edited(), desk.text, desk.references()) == (files, before, references)
    assert desk.platform.git("status", "--porcelain") == "" and desk.digests() == [""] * 2
    assert_nothing_leaked(desk, secrets_to_hide, *(each.stdout + each.stderr for each in (dry, process)))


def assert_accepted(desk: Adder, before: dict[str, str]) -> None:
    """The new lines and nothing else are there, and everybody who reads the files finds what was meant."""
    config, template, terraform = (insertion(before[name], text) for name, text in desk.edited().items())
    assert config.split() == ["#", *DESCRIPTION.split(), *f"{desk.key}: str | None = None".split()]
    placeholder = f"<your-{desk.key.lower().replace('_', '-')}>"
    lines = [f"# {DESCRIPTION} (optional)", f"# Get it from: {ADDRESS}", f"{desk.key}={placeholder}"]
    assert [line for line in template.splitlines() if line] == lines
    assert terraform.count(desk.key) == 2
    compiled = desk.platform.run_backend("import py_compile; py_compile.compile('app/core/config.py', doraise=True)")
    assert compiled.returncode == 0, compiled.stderr
    desk.platform.write_dotenv(**{desk.key: "told"})
    code = f"from app.core.config import Settings; print(Settings().{desk.key})"
    assert desk.platform.run_backend(code).stdout == "told\n"
    parsed = json.dumps(hcl2.load(io.StringIO(desk.edited()[EDITED[2]])))
    assert f":{desk.key}::" in parsed
    assert dotenv_values(desk.platform.template)[desk.key] == placeholder
    if shutil.which("docker-compose"):
        config_command = ["docker-compose", "-f", str(desk.platform.compose), "config", "--format", "json"]
        process = desk.call(config_command)
        assert process.returncode == 0, process.stderr
        backend = json.loads(process.stdout)["services"]["backend"]["environment"]
        assert backend[desk.key] == "told"
    desk.platform.dotenv.unlink()


# --- killed and half done ---------------------------------------------------------------------------------------------


LIVE = "ohmycoins-production"
PRODUCTION = f"{LIVE}-app-secrets"
CHANGES = ("PutSecretValue", "UpdateSecretVersionStage", "UpdateSecretVersionStage", *("keep", "write") * 3)
"""What a run changes before it comes to tasks, in its order: stage, move, release, then a patch and a file thrice."""
LAST = ("RegisterTaskDefinition", "UpdateService")


def announce_changes(note: Callable[[str], None]) -> None:
    """Call `note` at every change from now on: calls that change AWS, and files that are written."""
    call, write, keep = BaseClient._make_api_call, changes_files.write, changes_files.keep_private  # type: ignore[attr-defined]

    def calling(client: Any, operation: str, parameters: Any) -> Any:
        answer = call(client, operation, parameters)
        if operation in {*CHANGES, *LAST}:
            note(operation)
        return answer

    def writing(*arguments: Any) -> None:
        write(*arguments)
        note("write")

    def keeping(*arguments: Any) -> Path:
        path = keep(*arguments)
        note("keep")
        return path

    BaseClient._make_api_call = calling  # type: ignore[attr-defined]
    changes_files.write, changes_files.keep_private = writing, keeping


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying_after(desk: Adder, run: Run, changes: Sequence[str], **parameter_values: Any) -> None:
    """A run in a process of its own that is killed after just these changes."""

    def act() -> None:
        steps_to_come = list(changes)
        plan = desk.planned(run, **({"values_from": "env:NEW_VALUE"} | parameter_values))

        def note(what: str) -> None:
            assert steps_to_come.pop(0) == what
            if not steps_to_come:
                die()

        announce_changes(note)
        key_addition.apply(run, plan, True)

    killed(act)


def assert_settled(desk: Adder, run: Run, files: dict[str, str], references: list[tuple[str, str]]) -> None:
    """All parts have the key, each once, and the next run has nothing to do."""
    for name, text in desk.edited().items():
        block = insertion(files[name], text)
        assert block.count(desk.key) == (2 if name.endswith(".tf") else 1), (name, block)
    assert desk.text.count(f'"{desk.key}"') == 1 and desk.labels() == []
    assert [entry for entry in desk.references() if entry[0] != desk.key] == references
    assert [name for name, _ in desk.references()].count(desk.key) == 1
    snapshots = add_key.look(run)
    plan = desk.planned(run, snapshots, values_from="env:NEW_VALUE")
    assert plan.is_empty, plan
    assert not [f for f in key_addition.merge(key_addition.judge(plan, snapshots, snapshots, None)) if f.is_problem]


def test_killed_after_any_write_a_rerun_does_the_rest(idle: Adder) -> None:
    """After each call to the secret and each file: the rerun makes what the undisturbed run would have made."""
    run = idle.begun()
    for last in (1, 2, 3, 4, 5, 7, 9):
        desk = idle.anew()
        files, references, revisions = desk.edited(), desk.references(), desk.revisions()
        dying_after(desk, run, CHANGES[:last])
        result = key_addition.apply(run, desk.planned(run, values_from="env:NEW_VALUE"), True)
        assert result and result.changes
        assert_settled(desk, run, files, references)
        assert len(desk.revisions()) == len(revisions) + 1 and desk.members[desk.key] == desk.value
        undo = report.undo(result.plan, result, run.environment).to_text()
        take_back(desk, "\n".join(line for line in undo.splitlines() if " apply --reverse " in line))
        assert desk.edited() == files, last


@pytest.mark.parametrize("call", LAST)
def test_killed_among_its_deployment_a_rerun_proves_it(here: Adder, call: str) -> None:
    """The revision that was registered is taken up, and the tasks that it is for are watched."""
    files, references, revisions = here.edited(), here.references(), here.revisions()
    run = here.begun()
    dying_after(here, run, [*CHANGES, *LAST[: LAST.index(call) + 1]])
    plan = here.planned(run, values_from="env:NEW_VALUE")
    result = key_addition.apply(run, plan, True)
    assert result and result.is_proved and len(here.revisions()) == len(revisions) + 1
    here.world.settle()
    assert_settled(here, run, files, references)
    assert here.digests() == [digest(here.value)] * 2


def registered_anew(desk: Adder, arn: str, **variables: str) -> str:
    """A new revision like another one, with more plain variables; its ARN."""
    ecs = desk.world.ecs
    takes = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    there = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    request = {name: value for name, value in there.items() if name in takes}
    request["containerDefinitions"][0]["environment"] += [{"name": k, "value": v} for k, v in variables.items()]
    return str(ecs.register_task_definition(**request)["taskDefinition"]["taskDefinitionArn"])


@pytest.mark.parametrize("is_ours_alone", [True, False])
def test_killed_among_a_deployment_that_fails_a_rerun_goes_back(here: Adder, is_ours_alone: bool) -> None:
    """The rerun knows the former revision, and gives it back unless somebody else's change came with the new one."""
    here.key = "OMC_APP_DATABASE_ACCEPTS"
    former = here.service()["taskDefinition"]
    # So that what another test has registered is not the newest, and taken up.
    registered_anew(here, former)
    # However long the rerun's plan takes, nothing else gives the former revision back meanwhile.
    break_off(here, False)
    dying_after(here, here.begun(), [*CHANGES, *LAST])
    if not is_ours_alone:
        theirs = registered_anew(here, here.service()["taskDefinition"], SOMEBODY="else")
        here.world.ecs.update_service(cluster=CLUSTER, service="backend", taskDefinition=theirs)
    run = here.begun()
    plan = here.planned(run, values_from="env:NEW_VALUE")
    assert plan.environments[0].has_old_tasks and not plan.environments[0].corrections
    result = key_addition.apply(run, plan, True)
    assert result and not result.is_proved
    evidence = " ".join(line for finding in result.findings for line in finding.evidence)
    undo = report.undo(plan, result, run.environment).to_text()
    assert f"run update -p environment staging -p remove {here.key}" in undo and report.HAD_IT in undo
    if is_ours_alone:
        here.world.settle()
        assert here.service()["taskDefinition"] == former and here.digests() == [""] * 2
        assert f"{former.rpartition('/')[2]} again, and runs with it." in evidence and "update-service" not in undo
    else:
        assert former.rpartition("/")[2] not in evidence
    put(here.world, {**here.members, here.key: ""})
    here.world.ecs.update_service(cluster=CLUSTER, service="backend", taskDefinition=former, forceNewDeployment=True)
    here.world.settle()
    break_off(here, True)


def break_off(desk: Adder, enable: bool) -> None:
    """Let the circuit breaker of backend end deployments that fail, or let them go on."""
    breaker = {"enable": enable, "rollback": enable}
    desk.world.ecs.update_service(
        cluster=CLUSTER,
        service="backend",
        deploymentConfiguration={
            "deploymentCircuitBreaker": breaker,
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
        },
    )


def test_killed_while_a_file_is_written_it_is_the_old_one_and_git_sees_nothing(idle: Adder) -> None:
    """The draft lies in git's own folder; what was generated before is taken up again."""
    files = idle.edited()

    def act() -> None:
        run = idle.begun()
        plan = idle.planned(run, values_from="generate")
        os.fsync = lambda descriptor: die()
        key_addition.apply(run, plan, True)

    killed(act)
    assert idle.edited() == files and idle.platform.git("status", "--porcelain") == ""
    assert len(idle.members[idle.key]) == 64
    assert [change.action for change in idle.added(values_from="generate").changes][:3] == ["edited"] * 3


def test_a_generated_value_that_was_staged_is_taken_up_and_no_label_stays(idle: Adder) -> None:
    """Killed before it became current; a label of somebody else's unfinished change stays, and is named."""
    dying_after(idle, idle.begun(), CHANGES[:1], values_from="generate")
    (staged,) = {version for version, labels in stages(idle).items() if not {"AWSCURRENT", "AWSPREVIOUS"} & {*labels}}
    idle.added(values_from="generate")
    assert "AWSCURRENT" in stages(idle)[staged] and idle.labels() == []

    other = json.dumps({**idle.members, "SMTP_PASSWORD": secrets.token_hex(16)})
    label = "omc-runbook-0badcafe"
    api = idle.world.secretsmanager
    theirs = api.put_secret_value(SecretId=SECRET, SecretString=other, VersionStages=[label])["VersionId"]
    desk = idle.anew()
    run = desk.begun()
    plan = desk.planned(run, values_from="env:NEW_VALUE")
    assert "A change of SMTP_PASSWORD is unfinished" in " ".join(plan.environments[0].notes)
    key_addition.apply(run, plan, True)
    assert desk.labels() == [label]
    api.update_secret_version_stage(SecretId=SECRET, VersionStage=label, RemoveFromVersionId=theirs)


def stages(desk: Adder) -> dict[str, list[str]]:
    return desk.world.secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]


MORE, LESS = (False, True, False, True, False), (True, False, False, False, True)
PARTS = ("settings", "template", "terraform", "secret", "definition")


def test_half_done_in_any_way_the_rest_is_done_and_nothing_twice(idle: Adder) -> None:
    """Each part alone left to do, and two with more of them; test_add_key_plan has the plans of all 32 subsets."""
    run = idle.begun()
    # The files, which alone count for the edits, are as they were again for each.
    untouched = add_key.look(run)
    for done in sorted(product((False, True), repeat=len(PARTS)), key=sum):
        if sum(done) != 4 and done not in (MORE, LESS):
            continue
        desk, there = idle.anew(), dict(zip(PARTS, done, strict=True))
        files, references = desk.edited(), desk.references()
        plan = desk.planned(run, untouched, values_from="env:NEW_VALUE")
        for edit, part in zip(plan.edits, PARTS, strict=False):
            if there[part]:
                edit.file.path.write_bytes(edit.after)
        if there["secret"]:
            put(desk.world, f'{desk.text[:-1]}, "{desk.key}": "{desk.value}"}}')
        if there["definition"]:
            arn = desk.secret_arn
            entry: Any = {"name": desk.key, "valueFrom": f"{arn}:{desk.key}::"}
            revise(desk.world, "backend", lambda container, entry=entry: container["secrets"].append(entry))
        rest = key_addition.apply(run, desk.planned(run, values_from="env:NEW_VALUE"), True)
        actions = [change.action for change in rest.changes] if rest else []
        assert actions.count("edited") == 3 - sum(done[:3]) and actions.count("added") == 1 - done[3], (there, actions)
        assert actions.count("registered") == 1 - done[4], (there, actions)
        assert_settled(desk, run, files, references)


@pytest.mark.parametrize("reads", [1, 3])
def test_a_version_that_is_not_shown_at_once_is_nobody_elses(
    idle: Adder, monkeypatch: pytest.MonkeyPatch, reads: int
) -> None:
    """The look after the write, and the reads before each step, may still show the version before it."""
    read_late(monkeypatch, "move_current", reads)
    run = idle.begun()
    plan = idle.planned(run, values_from="env:NEW_VALUE")
    result = key_addition.apply(run, plan, True)
    assert result and not result.findings and idle.key in dict(idle.references())


def test_a_version_that_is_not_shown_yet_is_taken_back(here: Adder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that still shows the version before it does not say that all is as before."""
    before = here.text
    read_late(monkeypatch, "move_current", 6)
    run = here.begun()
    plan = here.planned(run, values_from="env:NEW_VALUE")
    state = run.state(undo=plan.undos(here.platform.root / ".git"))
    live = SteppedChange(lambda name: live.ask("back") if name == "watch" else None, state)
    result = key_addition.apply(run, plan, True, live=live)
    assert result and result.is_back and "withdrawn" in [change.action for change in result.changes]
    assert here.text == before


def test_a_reference_that_was_there_before_its_key_gets_its_tasks(here: Adder) -> None:
    """New tasks fail for want of the key, and the old ones lack the variable: once it is there, they are replaced."""
    entry: Any = {"name": here.key, "valueFrom": f"{here.secret_arn}:{here.key}::"}
    off: Any = {"deploymentCircuitBreaker": {"enable": False, "rollback": False}}
    here.world.ecs.update_service(cluster=CLUSTER, service="backend", deploymentConfiguration=off)
    revise(here.world, "backend", lambda container: container["secrets"].append(entry))
    result = here.added(values_from="env:NEW_VALUE")
    assert result.is_proved and "registered" not in [change.action for change in result.changes]
    assert here.digests() == [digest(here.value)] * 2
    on: Any = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    here.world.ecs.update_service(cluster=CLUSTER, service="backend", deploymentConfiguration=on)


def test_a_placeholder_gets_its_value_and_a_value_stays(here: Adder) -> None:
    """Required without a value it waits, as a remark; with one it reaches tasks; another one is not written over it."""
    run = here.begun()
    before = add_key.look(run)
    plan = here.planned(run, before, required=True)
    result = key_addition.apply(run, plan, True)
    after = add_key.look(run)
    findings = [
        f
        for f in key_addition.merge(key_addition.judge(plan, before, after, result))
        if f.subject == here.key and f.status == "found"
    ]
    assert {f.severity for f in findings} == {"info"} and {f.check for f in findings} == {"placeholder"}
    assert "still needs a value in staging" in report.result(plan, result).to_text()
    assert here.members[here.key].startswith("temporary-") and ".tf" not in " ".join(plan.environments[0].notes)

    filled = here.added(required=True, values_from="env:NEW_VALUE")
    assert [change.action for change in filled.changes] == ["changed", "redeployed"] and filled.is_proved
    assert here.digests() == [digest(here.value)] * 2
    put(here.world, {**here.members, "SMTP_PASSWORD": secrets.token_hex(16)})
    again = here.planned(here.begun(), required=True, values_from="generate")
    assert again.is_empty and again.environments[0].content == "a value"
    put(here.world, {**here.members, here.key: secrets.token_hex(16)})
    assert here.planned(here.begun(), required=True).environments[0].has_old_tasks


# --- failed, overtaken and refused ------------------------------------------------------------------------------------


def test_tasks_that_fail_get_their_former_revision_back_and_the_rest_stays(
    desk: Adder, monkeypatch: pytest.MonkeyPatch, own_registry: None
) -> None:
    """The application does not start with the value; exit 1 and why; once that is mended, a rerun completes."""
    desk.key = "OMC_APP_DATABASE_ACCEPTS"
    former = desk.service()["taskDefinition"].rpartition("/")[2]
    files, references, secrets_to_hide = desk.edited(), desk.references(), [*secret_values(desk), desk.value]
    source = desk.work / "new.env"
    source.write_text(f"{desk.key}={desk.value}\n")
    process = desk.add(*parameter_words(desk, values_from=f"file:{source}"), "-p", "apply", "true")
    source.unlink()
    desk.world.settle()
    assert process.returncode == 1 and desk.references() == references and desk.digests() == [""] * 2
    assert desk.members[desk.key] == desk.value and desk.edited() != files
    (failed,) = [f for f in desk.outcome()["findings"] if f["check"] == "change-failed"]
    evidence = " ".join(failed["evidence"])
    assert "password authentication failed" in evidence and f"{former} again, and runs with it." in evidence, evidence
    assert "The files and the secret keep the key." in text_of(desk, "apply")
    assert f"{source} can be read by others" in " ".join(text_of(desk, "plan").split())
    assert "update-service" not in text_of(desk, "undo") and "apply --reverse" in text_of(desk, "undo")
    assert_nothing_leaked(desk, secrets_to_hide, process.stdout, process.stderr)

    put(desk.world, {**desk.members, desk.key: ""})
    with signed_in(desk.sandbox, monkeypatch, desk.work):
        result = desk.added()
    assert result.is_proved and desk.digests() == [digest("")] * 2
    assert "registered" not in [change.action for change in result.changes]
    desk.world.ecs.update_service(cluster=CLUSTER, service="backend", taskDefinition=former)
    desk.world.settle()


OVERTAKEN = {
    "secret": ("Somebody else changed", "Nothing was done before"),
    "file": ("config.py was changed since the plan was made", "nothing was done"),
    "revision": ("Somebody has registered", "Done before: added"),
    "service": ("and no longer", "Done before: added"),
}


@pytest.mark.parametrize("what", OVERTAKEN)
def test_what_somebody_else_has_changed_since_stays(idle: Adder, what: str) -> None:
    """The secret, a file, a task definition or a service, between the plan and its carrying out."""
    run = idle.begun()
    plan = idle.planned(run, values_from="env:NEW_VALUE")
    files = idle.edited()
    if what == "secret":
        put(idle.world, {**idle.members, "SMTP_PASSWORD": secrets.token_hex(16)})
    elif what == "file":
        idle.platform.config.write_bytes(idle.platform.config.read_bytes() + b"# Mine.\n")
    elif what == "revision":
        family = f"{STAGING}-backend"
        definition: Any = idle.world.ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
        idle.world.ecs.register_task_definition(family=family, containerDefinitions=definition["containerDefinitions"])
    else:
        revise(idle.world, "backend", lambda container: container.update(stopTimeout=9))
        idle.world.settle()
    theirs, before = idle.aws(), idle.text
    with pytest.raises(ConflictError) as error:
        key_addition.apply(run, plan, True)
    assert all(part in str(error.value) for part in OVERTAKEN[what]) and idle.value not in str(error.value)
    assert idle.aws()[1:] == theirs[1:]
    if what in ("secret", "file"):
        assert idle.text == before and idle.edited()[EDITED[1]] == files[EDITED[1]]
    assert idle.labels() == []
    settle = idle.added(values_from="env:NEW_VALUE")
    assert settle.changes and idle.members[idle.key] == idle.value


DENIED = {
    "secretsmanager:DescribeSecret": "",
    "secretsmanager:PutSecretValue": "Nothing was done before.",
    "ecs:RegisterTaskDefinition": "edited infrastructure/terraform/modules/ecs/main.tf",
    "ecs:UpdateService": "edited infrastructure/terraform/modules/ecs/main.tf",
}


@pytest.mark.parametrize("action", DENIED)
def test_a_missing_permission_is_named_with_what_was_done_before(
    here: Adder, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """Exit code 2; whoever has the permission then gets the rest done."""
    references = here.references()
    with monkeypatch.context() as patch:
        deny(here.sandbox, patch, action)
        with pytest.raises(CouldNotLook) as error:
            here.added(values_from="env:NEW_VALUE")
    assert action in str(error.value) and DENIED[action] in str(error.value), error.value
    assert error.value.exit_code == 2 and here.references() == references
    if action == "ecs:UpdateService":
        assert f"registered {STAGING}-backend" in str(error.value) and here.added(values_from="env:NEW_VALUE").is_proved
        assert here.digests() == [digest(here.value)] * 2


# --- several environments ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(sandbox: Sandbox) -> Iterator[None]:
    """A production of its own: a secret, a cluster and a backend of one task."""
    world = World(sandbox.endpoint)
    members = {key: secrets.token_hex(16) for key in KEYS} | {"FIRST_SUPERUSER": "admin@example.com", "SENTRY_DSN": ""}
    arn = world.secretsmanager.create_secret(Name=PRODUCTION, SecretString=json.dumps(members))["ARN"]
    world.ecs.create_cluster(clusterName=LIVE)
    backend = replace(CONSUMERS[0], desired=1)
    definition = {"family": f"{LIVE}-backend", "containerDefinitions": [container_definition(backend, arn, None)]}
    roles = {"executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}", "networkMode": "awsvpc"}
    more = {"requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512"}
    revision = world.ecs.register_task_definition(**definition, **roles, **more)["taskDefinition"]["taskDefinitionArn"]
    grant(world, permitting_all(), "production")
    create_service(world, backend, revision, restore_network(world), LIVE)
    world.settle()
    yield
    world.delete_service("backend", LIVE)
    world.secretsmanager.delete_secret(SecretId=PRODUCTION, ForceDeleteWithoutRecovery=True)


def permitting_all() -> Any:
    statement = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.usefixtures("live")
def test_an_environment_that_a_stopped_run_has_not_reached_is_not_deployed(here: Adder) -> None:
    """Its service has the name of the one that was deployed in the environment before it."""
    run = add_key.begin("production", "production,staging", "", str(here.platform.root))
    plan = here.planned(run, values_from="generate")
    before = [each["id"] for each in here.service("backend", LIVE)["deployments"]]
    state = run.state(undo=plan.undos(here.platform.root / ".git"))
    live = SteppedChange(lambda name: live.ask("back") if name == "watch" else None, state)
    result = key_addition.apply(run, plan, True, "production", live=live)
    assert result and result.is_back and here.key not in here.members
    assert {each.environment for each in result.changes if each.file is None} == {"staging", "production"}
    assert [each["id"] for each in here.service("backend", LIVE)["deployments"]] == before


@pytest.mark.usefixtures("live")
def test_staging_and_production_get_values_of_their_own(here: Adder) -> None:
    """Production needs its name in confirm and comes last, in any order; the way back is shown for each."""
    desk = here
    run = add_key.begin("production", "production,staging", "", str(desk.platform.root))
    plan = desk.planned(run, values_from="generate")
    assert [each.environment for each in plan.environments] == ["staging", "production"]
    before = desk.aws()
    for word in ("", "yes", "staging"):
        with pytest.raises(UsageError, match='confirm = "production"'):
            key_addition.apply(run, plan, True, word)
    assert desk.aws() == before
    result = key_addition.apply(run, plan, True, "production")
    assert result and result.is_proved and len(result.rollouts) == 2
    tasks = [(each.service, each.environment) for each in result.changes if each.action == "redeployed"]
    assert tasks == [("backend", "staging"), ("backend", "production")]
    theirs = json.loads(desk.world.secretsmanager.get_secret_value(SecretId=PRODUCTION)["SecretString"])
    assert len(theirs[desk.key]) == 64 and theirs[desk.key] != desk.members[desk.key]
    assert desk.references("backend", LIVE)[-1][0] == desk.references()[-1][0] == desk.key
    assert len(desk.digests()) == 3 and len(set(desk.digests())) == 2
    undo = report.undo(plan, result, run.environment).to_text()
    assert "-p environment production" in undo and "-p confirm production" in undo
    with pytest.raises(UsageError, match="has one value, and no two environments should share one"):
        desk.planned(run, values_from="env:NEW_VALUE")


@pytest.mark.usefixtures("live")
def test_what_fails_in_staging_does_not_come_to_production(here: Adder) -> None:
    """The secrets and files have the key; production's tasks are left for the next run, as the result says."""
    desk = here
    desk.key = "OMC_APP_DATABASE_ACCEPTS"
    put(desk.world, {**desk.members, desk.key: desk.value})
    run = desk.begun("staging,production")
    live = desk.references("backend", LIVE)
    plan = desk.planned(run)
    result = key_addition.apply(run, plan, True, "production")
    assert result and not result.is_proved and result.waiting == ("production",)
    assert desk.references("backend", LIVE) == live
    assert "production is left for the next run" in report.result(plan, result).to_text()
    put(desk.world, {name: value for name, value in desk.members.items() if name != desk.key})
    desk.world.settle()
