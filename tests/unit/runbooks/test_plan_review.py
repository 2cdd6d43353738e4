"""A plan that one person writes and another applies: what its file has, what it refuses, and when it holds."""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from ast import literal_eval
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.snapshots import CURRENT, document, healthy, with_keys, with_secret, with_service, with_values

from omc_runbook import cli
from omc_runbook.aws.session import Clients
from omc_runbook.changes.add_key.key import NewKey
from omc_runbook.changes.add_key.plan import AddKeyPlan, EnvironmentPlan
from omc_runbook.changes.binding import BY_TERRAFORM, LATER, AnyPlan, bind
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.fix.plan import plan_fix
from omc_runbook.changes.fix.steps import RestoreSecret, RestoreVersion
from omc_runbook.changes.secret.create_plan import CreatePlan
from omc_runbook.changes.secret.plan import LABEL, KeyChange, SecretPlan, plan_update
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.headless.notebooks import applying_command, describe, with_plan
from omc_runbook.masking import fingerprint, registry
from omc_runbook.masking.fingerprint import slow_fingerprint
from omc_runbook.masking.value import Masked
from omc_runbook.model.change import Change
from omc_runbook.model.environment import load
from omc_runbook.model.errors import ConflictError, RunbookError, UsageError
from omc_runbook.model.findings import Outcome
from omc_runbook.report.archive.plan_file import LIFETIME, PlanFile, read
from omc_runbook.runbooks import plan_review
from omc_runbook.runbooks.plan_review import Parameters, Review, review_several
from omc_runbook.runbooks.run import Run, Target, diagnose
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionHistory
from omc_runbook.textfile.file import SourceFile

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
NAMES = ("environment", "runbook_toml", "values_from", "keys", "remove", "keep_source")
PASSWORD = secrets.token_urlsafe(18)


@pytest.fixture(autouse=True)
def _cheap_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guess costs what it costs in one test alone."""
    monkeypatch.setitem(fingerprint._SCRYPT, "n", 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.json"


def a_run(snapshot: Snapshot, runbook: str = "update") -> Run:
    """A run that calls nothing."""
    target = Target(load("staging"), Clients(snapshot.environment.names.region), snapshot.caller)
    return Run(runbook=runbook, started=NOW, targets=(target,))


def chosen(plan_to: object = "", plan_from: object = "", apply: bool = False, **changes: str | bool) -> Parameters:
    """The parameters of update, of which these are set."""
    values = {"environment": "staging"} | dict.fromkeys(NAMES[1:5], "") | {"keep_source": False} | changes
    if plan_to:
        values["values_from"] = "file:new.env"
    files = (str(plan_to), str(plan_from))
    return plan_review.parameters("update", *files, apply, *values.values(), clock=lambda: NOW)


def an_update(snapshot: Snapshot, value: str = PASSWORD, origin: str = "file new.env") -> SecretPlan:
    return plan_update(snapshot, {"SMTP_PASSWORD": NewValue(Masked(value, "SMTP_PASSWORD"), origin)})


def review(snapshot: Snapshot, plan: AnyPlan, parameters: Parameters, hours: float = 0) -> Review:
    """Review a plan so many hours after it was made."""
    clock = NOW + timedelta(hours=hours)
    return review_several(a_run(snapshot), {"staging": snapshot}, plan, parameters, clock=lambda: clock)


def test_an_empty_plan_needs_nobody() -> None:
    """Nobody applies what changes nothing."""
    snapshot = healthy()
    assert review(snapshot, an_update(snapshot), chosen()).headline == plan_review.ALONE
    assert review(snapshot, plan_update(snapshot, {}), chosen()) is plan_review.NOTHING


def test_a_plan_is_written_without_a_value_and_holds_for_another_person(path: Path) -> None:
    """Mode 600, and a hash that both see; whoever applies it names the file alone, or where the values are for them."""
    snapshot = healthy()
    first = review(snapshot, an_update(snapshot), chosen(path))
    body, text = json.loads(path.read_text()), path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [value for value in (*document(snapshot).values(), PASSWORD) if len(value) > 7 and value in text] == []
    assert body["facts"]["the current version of ohmycoins-staging-app-secrets"] == CURRENT
    assert body["steps"][0] == "SMTP_PASSWORD would be changed (file new.env)."
    assert body["parameters"]["values_from"] == "file:new.env" and body["by"] == snapshot.caller.arn
    assert datetime.fromisoformat(body["expires"]) - datetime.fromisoformat(body["created"]) == LIFETIME
    assert first.headline == f"Plan {body['hash']}"
    other = replace(snapshot, caller=replace(snapshot.caller, arn="arn:aws:iam::123456789012:user/second"))
    parameters = chosen(plan_from=path, apply=True, values_from="file:/home/second/new.env")
    assert [*parameters] == ["staging", "", "file:/home/second/new.env", "", "", False]
    assert [*chosen(plan_from=path)][2] == "file:new.env"
    second = review(other, an_update(other), parameters)
    assert second.headline == first.headline and body["steps"][0] in second.lines
    outcome = second.attach(a_run(other)).failed("It broke off.")
    assert outcome.plan_file and outcome.plan_file.planned_by == snapshot.caller.arn
    assert (outcome.plan_file.run_by, outcome.plan_file.hash) == (other.caller.arn, body["hash"])
    assert Outcome.from_json(outcome.to_json()).plan_file == outcome.plan_file


def test_a_plan_whose_run_was_killed_names_the_command_that_finishes_it(path: Path) -> None:
    """Its version is current, and has a label of ours; without that somebody else has changed the secret."""
    snapshot = healthy()
    review(snapshot, an_update(snapshot), chosen(path))
    ends = []
    for labels in (("AWSCURRENT", f"{LABEL}1234"), ("AWSCURRENT",)):
        after = with_values(snapshot, {**document(snapshot), "SMTP_PASSWORD": PASSWORD}, "1" * 36)
        after = with_secret(after, stages={CURRENT: ("AWSPREVIOUS",), "1" * 36: labels})
        with pytest.raises(ConflictError, match="is out of date") as error:
            review(after, an_update(after), chosen(plan_from=path))
        ends.append(str(error.value).partition("Nothing was written. ")[2])
    command = "omc-runbook run rotate -p environment staging -p values_from keep -p apply true"
    assert ends[0].endswith(f"To finish that:\n{command}") and ends[1] == "Have it made again."


def test_what_has_changed_meanwhile_is_named(path: Path) -> None:
    """The version, a key, the value, a revision, the time; nothing is compared loosely."""
    snapshot = healthy()
    review(snapshot, an_update(snapshot), chosen(path))

    def refused(now: Snapshot, plan: AnyPlan, hours: float = 0) -> str:
        with pytest.raises(ConflictError) as error:
            review(now, plan, chosen(plan_from=path), hours)
        assert error.value.exit_code == 2
        return str(error.value)

    name = "ohmycoins-staging-app-secrets"
    another = an_update(snapshot, secrets.token_urlsafe(18))
    assert f"the new value of SMTP_PASSWORD in {name} is not the one" in refused(snapshot, another)
    assert snapshot.secret
    stages = {"0" * 36: ("AWSCURRENT",), CURRENT: ("AWSPREVIOUS",)}
    content = {"0" * 36: replace(snapshot.contents[CURRENT], version_id="0" * 36)}
    moved = replace(snapshot, secret=replace(snapshot.secret, stages=stages), contents=content)
    assert f"the current version of {name} is {'0' * 36}, in the plan {CURRENT}" in refused(moved, an_update(moved))
    both = plan_update(
        snapshot,
        {key: NewValue(Masked(secrets.token_hex(32), key), "file new.env") for key in ("SECRET_KEY", "SMTP_PASSWORD")},
    )
    assert f"not in the plan: SECRET_KEY in {name} (to be changed)" in refused(snapshot, both)
    newer = with_service(snapshot, "worker", task_definition_arn="arn:aws:ecs:x:1:task-definition/worker:9")
    assert "the task definition of worker is arn:aws:ecs:x:1:task-definition/worker:9" in refused(
        newer, replace(an_update(snapshot), consumers=tuple(s for s in newer.services if s.name != "frontend"))
    )
    assert "only in the plan: SMTP_PASSWORD would be changed (file new.env)." in refused(
        snapshot, an_update(snapshot, origin="file other.env")
    )
    plan, whole = an_update(snapshot), path.read_text()
    path.write_text(replace(PlanFile.from_json(whole), steps=plan.sentences[::-1]).to_json())
    assert "the same steps in another order or number" in refused(snapshot, plan)
    path.write_text(whole)
    assert "expired at 2026-07-02 03:00:00 UTC" in refused(snapshot, an_update(snapshot), 24)
    review(snapshot, an_update(snapshot), chosen(plan_from=path), 23.9)


def test_a_value_that_is_generated_is_made_when_the_plan_is_applied(path: Path) -> None:
    """The value is a new one each time, and the plan says so; a value from another source is refused."""
    snapshot = healthy()
    review(snapshot, an_update(snapshot, origin="generated (hex-32)"), chosen(path))
    assert set(json.loads(path.read_text())["fingerprints"].values()) == {LATER}
    review(snapshot, an_update(snapshot, secrets.token_hex(32), "generated (hex-32)"), chosen(plan_from=path))
    with pytest.raises(ConflictError, match="is not the one in the plan"):
        review(snapshot, an_update(snapshot), chosen(plan_from=path))


def test_a_value_that_is_a_common_word_leaves_the_parameters_readable(path: Path) -> None:
    """Else no plan for staging could be applied where a key has that word for a value."""
    registry.register("staging", "ENVIRONMENT")
    snapshot = healthy()
    review(snapshot, an_update(snapshot), chosen(path))
    assert read(path).parameters["environment"] == "staging"
    review(snapshot, an_update(snapshot), chosen(plan_from=path))


def test_a_plan_is_applied_once(path: Path) -> None:
    """Its file says when and by whom; one that was taken back, or that only was looked at, may be applied."""
    snapshot, change = healthy(), Change(key="SMTP_PASSWORD", action="changed")
    review(snapshot, an_update(snapshot), chosen(path))
    before = json.loads(path.read_text())["hash"]
    filed = review(snapshot, an_update(snapshot), chosen(plan_from=path)).attach(a_run(snapshot)).filed_plan
    assert filed
    for result in (None, ChangeResult(), ChangeResult(changes=(change,), rollback_note="The former version is back.")):
        filed.finish(result)
        assert read(path).carried_out == {}
    filed.finish(ChangeResult(changes=(change,)))
    assert json.loads(path.read_text())["hash"] == before
    with pytest.raises(ConflictError, match=rf"{before} was carried out already, at .* by {snapshot.caller.arn}"):
        chosen(plan_from=path)


def edited(text: str, **changes: object) -> str:
    return json.dumps(json.loads(text) | changes)


def test_files_that_are_no_plans_are_refused_in_a_sentence(path: Path, tmp_path: Path) -> None:
    """Malformed, edited, of another runbook, a pipe, a folder: exit code 3, and no text of the file."""
    snapshot = healthy()
    review(snapshot, an_update(snapshot), chosen(path))
    whole = path.read_text()
    path.unlink()
    os.mkfifo(tmp_path / "pipe")
    cases: Mapping[str, str | None] = {
        "cannot be read": None,
        "it is not JSON": "SMTP_PASSWORD=hunter2-hunter2",
        "it is not a plan of schema 1": "[]",
        "it is not a whole plan": edited(whole, steps=7),
        "is not a whole plan": edited(whole, by=7),
        "not a whole plan": edited(whole, facts=7),
        "a whole plan": edited(whole, steps=[7]),
        "whole plan": edited(whole, fingerprints=7),
        "it has a member twice": whole.replace('"carried_out": {}', '"carried_out": {},\n "carried_out": {}'),
        "has a member twice": whole.replace('"facts": {', '"facts": {"a": "hunter2", "a": "b", ', 1),
        "its hash is another": edited(whole, steps=["Something else."]),
        "is for rotate, and this is update": replace(PlanFile.from_json(whole), runbook="rotate").to_json(),
        "has other parameters than update": replace(PlanFile.from_json(whole), parameters={}).to_json(),
        "Invalid isoformat string": edited(whole, created="soon"),
        "its times are out of range": edited(whole, created="0001-01-01T00:00:00+14:00"),
        "it is not UTF-8 text": edited(whole, by="\ud800"),
        "it is nested too deeply": "[" * 100_000,
        "cannot be applied: it is not a plan of schema 1": '{"schema": ' + "9" * 5000 + "}",
    }
    for reason, text in cases.items():
        if text is not None:
            path.write_text(text)
        with pytest.raises(UsageError, match=reason) as error:
            chosen(plan_from=path)
        assert "hunter2" not in str(error.value) and error.value.exit_code == 3
    for other in (tmp_path / "pipe", tmp_path):
        with pytest.raises(UsageError, match="not a regular file"):
            chosen(plan_from=other)


def test_what_is_otherwise_is_named_whichever_plan_has_more(path: Path) -> None:
    """A fact or a value that is gone counts as one that is new."""
    snapshot = healthy()
    review(snapshot, an_update(snapshot), chosen(path))
    plan = PlanFile.from_json(path.read_text())
    more = replace(plan, facts={**plan.facts, "extra": "1"})
    assert plan.differences(more) == ("not in the plan: extra (1)",)
    assert more.differences(plan) == ("only in the plan: extra (1)",)
    assert more.differences(replace(more, facts={**plan.facts, "extra": "2"})) == ("extra is 2, in the plan 1",)
    more = replace(plan, fingerprints={**plan.fingerprints, "KEY": "1"})
    assert plan.differences(more) == more.differences(plan) == ("KEY is not the one in the plan",)
    newer = replace(more, facts={**plan.facts, "extra": "1"})
    assert plan.differences(newer) == ("not in the plan: extra (1)",), "the fingerprint has changed with it"
    more = replace(plan, steps=(*plan.steps, "Extra."))
    assert plan.differences(more) == ("not in the plan: Extra.",)
    assert more.differences(plan) == ("only in the plan: Extra.",)
    twice = replace(plan, steps=plan.steps * 2)
    assert plan.differences(twice) == ("the plan has the same steps in another order or number",)
    assert plan.differences(plan) == ()


def test_a_plan_is_never_written_over_another_file(path: Path, tmp_path: Path) -> None:
    """Nor through a link, nor where it was made meanwhile; and it is not both written and applied."""
    snapshot = healthy()
    parameters = chosen(path)
    path.write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for target in (path, tmp_path / "link"):
        with pytest.raises(UsageError, match="exists, and is not overwritten"):
            chosen(target)
    with pytest.raises(UsageError, match="exists, and is not overwritten"):
        review(snapshot, an_update(snapshot), parameters)
    assert path.read_text() == "mine" and {each.name for each in tmp_path.iterdir()} == {"link", "plan.json"}
    with pytest.raises(UsageError, match="does not exist: name a file in one that does"):
        chosen(tmp_path / "none" / "plan.json")
    with pytest.raises(UsageError, match="cannot be written: File name too long"):
        chosen(tmp_path / ("long" * 1000))
    for both in ({"plan_from": path}, {"apply": True}):
        with pytest.raises(UsageError, match="plan_to writes a plan, and"):
            chosen(tmp_path / "new.json", **both)  # type: ignore[arg-type]
    nothing = plan_update(snapshot, {})
    idle = review(snapshot, nothing, chosen(tmp_path / "new.json"))
    assert "nothing to do" in idle.headline and not (tmp_path / "new.json").exists()
    noted = idle.attach(a_run(snapshot)).failed("It broke off.", nothing).notes
    assert idle.headline in noted, "without a notebook, too"


def test_parameters_that_contradict_the_plan_are_refused(path: Path) -> None:
    """In a notebook its defaults choose nothing; on a command line what stands there counts."""
    snapshot = healthy()
    review(snapshot, an_update(snapshot), chosen(path, keys="SMTP_PASSWORD"))
    with pytest.raises(UsageError, match='keys contradicts the plan: the plan has "SMTP_PASSWORD"'):
        chosen(plan_from=path, keys="SECRET_KEY")
    arguments = [("plan_from", str(path)), ("apply", "true"), ("keep_source", "no")]
    pairs = dict(with_plan("update", arguments))
    assert pairs["keys"] == "SMTP_PASSWORD" and pairs["environment"] == "staging" and pairs["keep_source"] == "no"
    assert applying_command("update", pairs).split()[3:] == [
        *("-p", "plan_from", str(path), "-p", "values_from", "file:new.env", "-p", "apply", "true")
    ]
    ended = CliRunner().invoke(cli.cli, ["run", "update", f"plan_from={path}", "environment=production"])
    assert isinstance(ended.exception, RunbookError) and "environment contradicts the plan" in str(ended.exception)


@pytest.mark.long
def test_fingerprints_depend_on_document_salt_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that neither a list of values nor another plan's fingerprint says what a value is."""
    monkeypatch.undo()
    assert fingerprint._SCRYPT["n"] >= 2**15
    value, salt = Masked(PASSWORD, "it"), "00"
    one = slow_fingerprint(value, Masked("{}", "doc"), salt, "a")
    assert len(one) == 32 and one == slow_fingerprint(value, Masked("{}", "doc"), salt, "a")
    others = [
        slow_fingerprint(Masked("another-value", "it"), Masked("{}", "doc"), salt, "a"),
        slow_fingerprint(value, Masked('{"A":"1"}', "doc"), salt, "a"),
        slow_fingerprint(value, Masked("{}", "doc"), "01", "a"),
        slow_fingerprint(value, Masked("{}", "doc"), salt, "b"),
    ]
    assert len({one, *others}) == 5


def test_a_fix_is_bound_to_its_steps_and_what_they_restore() -> None:
    """A version that would be restored is bound by its id; nothing of its values is in the plan."""
    broken = with_keys(healthy(), SMTP_PASSWORD="changethis")
    back = replace(an_update(healthy()), exists=True, token="1" * 36)
    plan = replace(plan_fix(broken, diagnose(broken), VersionHistory(())), steps=(RestoreVersion(back, ()),))
    bound = bind(plan, {"staging": broken}, "00")
    assert bound.facts["the version to be made current of ohmycoins-staging-app-secrets"] == "1" * 36
    name = "the current version of ohmycoins-staging-app-secrets"
    assert bind(replace(plan, steps=()), {"staging": broken}, "00").facts[name] == CURRENT
    assert bound.facts["step 1"].startswith("make version 11111111") and bound.fingerprints == {}
    assert " current again (AWSCURRENT moves from version " in bound.facts["step 1"]
    assert not re.search(r"\.\W*\Z", bound.facts["step 1"]), "it is told within a sentence"


def test_a_restore_is_bound_to_the_deletion_that_it_cancels() -> None:
    """A copy of the plan cancels no later one, neither by create nor as a fix."""
    secret = healthy().secret
    assert secret
    deletions = [replace(secret, deleted=NOW + timedelta(days=days)) for days in (7, 8)]
    fixes = [
        bind(
            replace(plan_fix(healthy(), (), VersionHistory(())), steps=(RestoreSecret(each, ()),)),
            {"staging": healthy()},
            "00",
        )
        for each in deletions
    ]
    creations = [
        bind(CreatePlan("restore", secret.name, "ap-southeast-2", existing=each), {"staging": healthy()}, "00")
        for each in deletions
    ]
    for first, second in (fixes, creations):
        assert first.facts != second.facts and first.facts.keys() == second.facts.keys()


def test_a_new_key_is_bound_to_files_and_what_terraform_does_is_not() -> None:
    """A file by a fingerprint of both its texts; a plan of Terraform's is refused, not bound half."""
    snapshot = healthy()
    edit = SourceFile(Path("config.py"), "app/config.py", b"A = 1\n").with_text("A = 1\nB = 2\n", "B")
    write = replace(an_update(snapshot), changes=(KeyChange("SMTP_PASSWORD", "added", "add_key"),))
    part = EnvironmentPlan("staging", "a placeholder", write, NOW, services=("backend",))
    new = NewKey("SMTP_PASSWORD", "", "", False, "str", ("backend",))
    plan = AddKeyPlan(new, Path("/checkout"), (edit,), (part,))
    bound = bind(plan, {"staging": snapshot}, "00")
    assert bound.facts["what SMTP_PASSWORD has in staging"] == "a placeholder"
    assert "the task definition of backend in staging" in bound.facts
    other = replace(edit, file=replace(edit.file, raw=b"A = 3\n"))
    now = bind(replace(plan, edits=(other,)), {"staging": snapshot}, "00")
    assert {name for name in bound.fingerprints if bound.fingerprints[name] != now.fingerprints[name]} == {
        "the file app/config.py"
    }
    with pytest.raises(UsageError) as error:
        bind(replace(plan, environments=(replace(part, terraform_dir=Path("x")),)), {"staging": snapshot}, "00")
    assert str(error.value) == BY_TERRAFORM


@pytest.mark.parametrize("runbook", ["add_key", "create", "restore", "rotate", "troubleshoot", "update"])
def test_a_plan_has_each_parameter_of_its_notebook(runbook: str) -> None:
    """All but those that say whether and from which file it is applied."""
    declared = [each.name for each in describe(runbook).parameters]
    names = [name for name in declared if name not in ("plan_to", "plan_from", "apply", "confirm")]
    values = {each.name: literal_eval(each.default) for each in describe(runbook).parameters if each.name in names}
    found = import_module(f"omc_runbook.runbooks.{runbook}").parameters("", "", False, *values.values())
    assert len(names) == len({*names}) and {**found.values} == values and [*found.values] == names


def test_beside_a_plan_stands_no_parameter_at_its_default() -> None:
    """It chooses nothing: the command has the file, and the place of what the plan was made with."""
    pairs = {"plan_from": "plan.json", "environment": "staging", "values_from": "renew", "runbook_toml": "own.toml"}
    assert applying_command("rotate", pairs).split()[3:] == [
        *("-p", "plan_from", "plan.json", "-p", "runbook_toml", "own.toml", "-p", "apply", "true")
    ]
    assert "-p values_from keep" in applying_command("rotate", pairs | {"values_from": "keep"})


def test_a_pasted_text_is_in_no_printed_command() -> None:
    """It may have a secret in it, and the plan is the same without."""
    pairs = {"environment": "staging", "service": "worker", "error_text": f"{secrets.token_hex(4)} was refused"}
    assert applying_command("troubleshoot", pairs).split()[3:] == [
        *("-p", "environment", "staging", "-p", "service", "worker", "-p", "apply", "true")
    ]
