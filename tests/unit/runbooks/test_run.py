"""A run on environments, without AWS: who may change them, how a change is judged, and how it ends."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from botocore.exceptions import ConnectionClosedError
from support.snapshots import (
    ARN,
    healthy,
    simulated,
    stuck,
    with_definition,
    with_keys,
    with_permissions,
    with_reference,
    without_key,
)

from omc_runbook.aws import calls, secretsmanager
from omc_runbook.aws.calls import ReadingTime, TookTooLong
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.changes.add_key.environment_plan import values_of
from omc_runbook.changes.add_key.key import NewKey
from omc_runbook.changes.deploy.executor import SecretResult, apply
from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import plan_update
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.masking.value import Masked
from omc_runbook.model.change import Change
from omc_runbook.model.environment import Environment, load, refuse_impossible
from omc_runbook.model.errors import CouldNotLook, FindingsRemain, UsageError
from omc_runbook.model.findings import Finding, Outcome, Remedy
from omc_runbook.model.handover import COMMAND_VARIABLE, OUTCOME_VARIABLE, STATE_VARIABLE
from omc_runbook.model.time_limits import LOOK_SECONDS
from omc_runbook.report import audit
from omc_runbook.report.archive.state import StateFile
from omc_runbook.report.display.banner import Banner
from omc_runbook.runbooks import button, key_addition, rotate, run, secret_change, unfinished, update
from omc_runbook.runbooks.button import Button, Panel
from omc_runbook.runbooks.closing import INTERRUPTED, NOT_BEGUN, OUTDATED, Closing, Displays
from omc_runbook.runbooks.conclude import Ending
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.run import UNDER_WAY, UNFINISHED, WAIT, LocalTarget, Run, Target
from omc_runbook.runbooks.several_environments import reach_some
from omc_runbook.snapshot.version_history import VersionHistory


@dataclass(frozen=True)
class SentencePlan:
    """A plan of sentences alone."""

    sentences: tuple[str, ...]
    blockers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


PLAN = SentencePlan(("SECRET_KEY would change.",))
NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
WRONG = Finding(check="placeholder", family="content", title="A placeholder", status="found", subject="SECRET_KEY")
NEW_KEY = NewKey("A_KEY", "", "", False, "str", ("backend",))
CLEAR = Finding(check="empty", family="content", title="An empty key", status="clear")


def a_run(*environments: str) -> Run:
    """A run that calls nothing."""
    targets = (
        Target(load(name), Clients("ap-southeast-2"), Caller(f"1234567890{at:02}", "arn"))
        for at, name in enumerate(environments)
    )
    return Run(runbook="add_key", started=NOW, targets=tuple(targets))


@pytest.mark.parametrize("environments", [("production",), ("staging", "production")])
def test_production_has_to_be_confirmed_also_among_others(environments: tuple[str, ...]) -> None:
    """One guard for every runbook: without the word nothing is changed; a dry run needs none."""
    begun = a_run(*environments)
    assert begun.environment.name == "production"
    for word in ("", "yes", "staging"):
        with pytest.raises(UsageError, match=r'set confirm = "production" as well .*-p confirm production'):
            begun.may_change(True, word)
    assert begun.may_change(True, "production") and not begun.may_change(False, "")
    assert a_run("staging").may_change(True, "")


def test_a_secret_of_which_aws_does_not_answer_is_not_described(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing ends for that: who was interrupted is still told how far the change came."""
    monkeypatch.setattr(secretsmanager, "describe", Mock(side_effect=ConnectionClosedError(endpoint_url="https://s")))
    assert a_run("staging").target.describe_secret("app") is None


def test_a_secret_that_may_be_productions_is_changed_with_the_word_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says why; it is not called production."""
    monkeypatch.setenv("OMC_SECRET", "ohmycoins-production-app-secrets")
    begun = a_run("staging")
    reason = "ohmycoins-production-app-secrets is production's by its name, and no account"
    with pytest.raises(UsageError, match=f'{reason} .*: set confirm = "production" as well'):
        begun.may_change(True, "")
    assert begun.may_change(True, "production") and not begun.may_change(False, "")
    monkeypatch.setattr(button, "can_press", lambda: True)
    monkeypatch.setattr(button, "_is_watched", lambda: True)
    shown = button.offer(begun, button.Choice("Write it", lambda word: iter(())), is_done=False, is_empty=False)
    assert isinstance(shown, Button)
    shown._field = Mock(value="")
    with pytest.raises(UsageError, match=f"{reason} .*: type production beside the button first"):
        shown._do(Mock())


@pytest.mark.parametrize(("own", "word"), [("staging", ""), ("live-eu", "production")])
def test_a_change_that_was_not_finished_asks_in_every_notebook_for_its_own_word(
    own: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where production has another name, and the panel stands in the notebook of another environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(unfinished, "can_press", lambda: True)
    staging = a_run("staging")
    environment = replace(staging.environment, name=own, is_another_production=own != "staging")
    both = replace(staging, targets=(*staging.targets, replace(staging.target, environment=environment)))
    StateFile(tmp_path / "records" / "add_key-staging-1.state.json").write(both.state(steps=("move",)))
    (panel,) = unfinished.with_unfinished(staging, lambda run, state: ()).unfinished
    assert isinstance(panel, Panel) and panel.word == word == both.word


def test_a_plan_for_a_production_of_another_name_is_applied_by_the_command_that_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word is in it, as where the environment is called production."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(COMMAND_VARIABLE, "omc-runbook run add_key -p environment live-eu -p apply true")
    other = a_run("staging")
    live = replace(other.target, environment=replace(other.environment, name="live-eu", is_another_production=True))
    begun = replace(other, targets=(live,))
    text = begun.answer((), plan=PLAN).to_text()
    assert "-p environment live-eu -p apply true -p confirm production" in text
    assert "confirm" not in other.answer((), plan=PLAN).to_text()
    assert Outcome.from_json(begun.failed("It broke off.", PLAN).to_json()).confirm == "production"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            'project = "Oh My Coins"',
            "secret of staging must be of letters, digits and /_+=.@!-, or the ARN of a secret",
        ),
        ('project = "a b"\nsecret = "app"', "cluster of staging must be of letters, digits and _-, and no ARN."),
        ('prefix = "app.{environment}"', "cluster of staging must be of letters"),
    ],
)
def test_a_name_counts_with_its_placeholders_filled_in(text: str, reason: str, tmp_path: Path) -> None:
    """What AWS would refuse is refused before AWS is asked."""
    path = tmp_path / "runbook.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=f"^{path}.*{re.escape(reason)}"):
        run.reach("verify", "staging", str(path))


def test_a_project_of_several_words_may_be_in_no_name(tmp_path: Path) -> None:
    """Whoever writes each name whole may have any project."""
    path = tmp_path / "runbook.toml"
    path.write_text('project = "Oh My Coins"\nsecret = "app"\ncluster = "app"')
    refuse_impossible(load("staging", str(path)))


def test_what_was_wrong_before_is_a_remark_unless_it_still_counts() -> None:
    """As a service that has not proved itself, or as what the runbook says that its plan is against."""
    before = without_key(with_keys(healthy(), SMTP_PASSWORD="your-smtp-password"), "OPENAI_API_KEY")
    families = ("content", "reference")

    def problems(**options: object) -> set[str]:
        return {each.check for each in run.judge(before, before, families, **options) if each.is_problem}  # type: ignore[arg-type]

    assert problems() == set()
    assert problems(still_counts=lambda finding: finding.check == "placeholder") == {"placeholder"}
    new = {each.check for each in run.judge(healthy(), before, families) if each.is_problem}
    assert {"placeholder", "key-missing"} <= new
    pinned = with_reference(healthy(), "backend", "SMTP_USER", f"{ARN}:SMTP_USER:AWSPREVIOUS:")
    registered = with_definition(pinned, "backend", lambda each: replace(each, revision=each.revision + 1))
    assert not [each for each in run.judge(pinned, registered, families) if each.is_problem]


def test_a_consequence_of_what_a_change_does_not_judge_has_the_remedy_of_its_cause() -> None:
    """A deployment that the role's permission keeps from starting is not to be deployed once more."""
    denied = "ResourceInitializationError: not authorized to perform: secretsmanager:GetSecretValue on resource"
    snapshot = with_permissions(stuck(healthy(), "worker", denied), simulated("implicitDeny"))
    (cause,) = (each for each in run.diagnose(snapshot) if each.check == "no-permission")
    found = [each for each in run.diagnose(snapshot, ("secret", "deployment")) if each.is_problem]
    assert [each.check for each in found] == ["pull-failed", "rollout-stuck"]
    assert {each.remedy.ways for each in found} == {cause.remedy.ways}


def test_what_nobody_could_look_at_before_is_neither_new_nor_old() -> None:
    """Where the secret could not be read at first, an error in it is unknown, unless the plan is against it."""
    wrong = with_keys(healthy(), SMTP_PASSWORD="your-smtp-password")
    gap = ReadFailure("the secret", "secretsmanager:DescribeSecret", "InternalServerError", "It failed.")
    silent = replace(healthy(), secret=None, contents={}, gaps={"secret": (gap,), "contents": (gap,)})
    [judged] = [each for each in run.judge(silent, wrong, ("content",)) if each.check == "placeholder"]
    assert judged.status == "unknown" and "could not look then" in judged.evidence[-1]
    [counted] = [each for each in run.judge(silent, wrong, ("content",), (), lambda finding: True) if each.is_problem]
    assert counted.check == "placeholder"


@pytest.fixture
def outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a run leaves its outcome."""
    monkeypatch.setenv(OUTCOME_VARIABLE, str(tmp_path / "outcome.json"))
    return tmp_path / "outcome.json"


def test_an_outcome_has_each_environment_with_a_status_of_its_own(outcome: Path) -> None:
    """What is found in production alone is no fault of staging's; the fields of old mean the first."""
    found = {"staging": (CLEAR,), "production": (CLEAR, WRONG)}
    merged = key_addition.merge(found)
    assert [(each.check, each.subject) for each in merged] == [("empty", ""), ("placeholder", "production: SECRET_KEY")]
    a_run("staging", "production").conclude(merged, by_target=found)
    body = json.loads(outcome.read_text())
    assert [(each["environment"], each["account"], each["status"]) for each in body["targets"]] == [
        ("staging", "123456789000", "ok"),
        ("production", "123456789001", "findings"),
    ]
    assert (body["environment"], body["account"], body["status"]) == ("staging", "123456789000", "findings")
    assert body["where"] == "staging, production"


@pytest.mark.parametrize("merge", [key_addition.merge, audit.merge])
def test_a_consequence_has_the_remedy_of_its_own_environments_cause(
    outcome: Path, merge: Callable[[dict[str, Sequence[Finding]]], Sequence[Finding]]
) -> None:
    """The same fault in another environment has another remedy."""

    def found(environment: str) -> tuple[Finding, ...]:
        cause = replace(WRONG, remedy=Remedy(f"Mend {environment}."))
        return cause, replace(WRONG, check="task-exits", subject="worker", because_of=(WRONG.check,))

    both = {name: found(name) for name in ("staging", "production")}
    a_run("staging", "production").conclude(merge(both), by_target=both)
    remedies = [(each["check"], each["remedy"]["command"]) for each in json.loads(outcome.read_text())["findings"]]
    assert remedies == [(check, f"Mend {name}.") for name in both for check in (WRONG.check, "task-exits")]


def test_what_a_rotation_leaves_out_is_in_the_plan_the_result_and_the_outcome(
    outcome: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an applied change alone: before that, it is one note of many."""
    for name in ("reuse.compare", "not_redeployed.find_scheduled", "not_redeployed.find_consumers"):
        monkeypatch.setattr(f"omc_runbook.runbooks.secret_change.{name}", Mock(return_value=()))
    monkeypatch.setattr("omc_runbook.changes.deploy.executor.execute", Mock(return_value=True))
    value = NewValue(Masked(secrets.token_hex(32), "SECRET_KEY"), "generated")
    new = NewValues({"SECRET_KEY": value}, notes=("A note.",), left_out=("OPENAI_API_KEY is still due.",))
    begun = a_run("staging")
    plan = secret_change.plan(begun, healthy(), new)
    assert plan.notes[:2] == (*new.left_out, *new.notes)
    result = apply(Mock(tell=Mock()), plan, new)
    begun.conclude((), result, plan)
    assert json.loads(outcome.read_text())["left_out"] == [*new.left_out]
    for done in (None, SecretResult(plan=plan)):
        begun.conclude((), done, plan)
        assert "left_out" not in json.loads(outcome.read_text())


def test_an_outcome_of_one_environment_has_it_among_its_targets(outcome: Path) -> None:
    """With the status of the run."""
    a_run("staging").conclude((WRONG,))
    body = json.loads(outcome.read_text())
    assert [(each["environment"], each["status"]) for each in body["targets"]] == [("staging", "findings")]
    assert "where" not in body


@pytest.mark.parametrize("apply", [True, False])
def test_a_run_under_way_has_its_environments_and_its_plan_on_record(outcome: Path, apply: bool) -> None:
    """As failed, until its end says otherwise: that is what stays of a run that breaks off."""
    closing = Work(CouldNotLook("AWS is gone.")).closing(apply)
    closing.show("result")
    with pytest.raises(CouldNotLook):
        closing.show("outcome")
    body = json.loads(outcome.read_text())
    assert [(each["environment"], each["account"], each["status"]) for each in body["targets"]] == [
        ("staging", "123456789000", "failed"),
        ("production", "123456789001", "failed"),
    ]
    assert (body["account"], body["started"], body["status"]) == ("123456789000", "2026-07-01T03:00:00Z", "failed")
    assert (body["applied"], body["plan"], body["changes"]) == (apply, ["SECRET_KEY would change."], [])
    assert "without an outcome" in body["failure"]


def test_a_run_that_breaks_off_has_what_it_changed_on_record(outcome: Path) -> None:
    """Also where the process is killed in the middle: each change is handed over as soon as it is in force."""
    edited, registered = Change(action="edited", file="config.py"), Change(action="registered", task_definition="a:2")

    def make(apply: bool, confirm: str, live: LiveChange) -> Displays:
        live.tell(edited)
        assert json.loads(outcome.read_text())["changes"] == [edited.to_json()]
        live.tell(registered)
        raise CouldNotLook("AWS is gone.")
        yield

    closing = Closing(a_run("staging"), PLAN, "Do it", make, True, "", False)
    with pytest.raises(CouldNotLook):
        closing.show("result")
    body = json.loads(outcome.read_text())
    assert (body["status"], body["changes"]) == ("failed", [edited.to_json(), registered.to_json()])


def test_findings_end_a_job_and_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain papermill fails as a job should; Voilà goes on to the answer."""
    monkeypatch.setattr("omc_runbook.masking.kernel.allows_input", lambda: False)
    with pytest.raises(FindingsRemain):
        a_run("staging").conclude((WRONG,))
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    assert a_run("staging").conclude((WRONG,)).style == "bad"


def test_only_a_page_with_buttons_says_that_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterLab's kernel and VS Code's have widgets; a console has a person and none, papermill has neither."""
    shell = SimpleNamespace(user_ns={}, kernel=SimpleNamespace(_allow_stdin=True))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    has_button = {}
    for client in ("papermill", "console", "VS Code", "JupyterLab"):
        shell.kernel._allow_stdin = client != "papermill"
        shell.user_ns = {"__vsc_ipynb_file__": "verify.ipynb"} if client == "VS Code" else {}
        if client == "JupyterLab":
            monkeypatch.setenv("JPY_SESSION_NAME", "verify.ipynb")
        button = Work().closing().button()
        has_button[client] = isinstance(button, Button)
        assert has_button[client] or "Set apply = True above" in button.to_text()
        # It is saved with the notebook, which has no button then.
        text = a_run("staging").answer((), plan=PLAN).to_text()
        assert "Set apply = True in the parameters cell" in text and "button" not in text
    assert has_button == {
        "papermill": False,
        "console": False,
        "VS Code": True,
        "JupyterLab": True,
    }


class Work:
    """The last part of a runbook, which records what it does."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self.error = error

    def __call__(self, apply: bool, confirm: str, live: LiveChange) -> Displays:
        self.calls.append(f"{'applied' if apply else 'planned'} {confirm}".strip())
        yield "result", "what was done"
        if self.error:
            raise self.error
        self.calls.append("looked")
        yield "outcome", "how it ended"
        return "✓ Done"

    def closing(self, apply: bool = False) -> Closing:
        return Closing(a_run("staging", "production"), PLAN, "Do it", self, apply, "", False)


def test_each_display_is_made_once_and_not_before_it_is_shown() -> None:
    """A cell that is run again shows the same, and does nothing twice."""
    work = Work()
    closing = work.closing(apply=True)
    assert work.calls == []
    assert closing.show("result") == closing.show("result") == "what was done" and work.calls == ["applied"]
    assert closing.show("outcome") == "how it ended" and closing.show("result") == "what was done"
    assert work.calls == ["applied", "looked"]


@pytest.mark.parametrize("how", ["planned", "applied", "pressed"])
def test_the_time_for_all_calls_ends_no_change_and_begins_again_after_it(how: str) -> None:
    """A plan has none but that of the run, which is over here."""
    begun = a_run("staging", "production")
    times = [target.clients.calls.time for target in begun.targets]
    for each in times:
        each.limit(-1)
    over: dict[str, bool] = {}

    def is_over() -> bool:
        with times[1].counted(), suppress(TookTooLong):
            times[1].check()
            return False
        return True

    def make(apply: bool, confirm: str, live: LiveChange) -> Displays:
        over["change"] = is_over()
        yield "result", ""
        over["look"] = is_over()
        yield "outcome", ""
        return ""

    closing = Closing(begun, PLAN, "Do it", make, how == "applied", "", False)
    if how == "pressed":
        list(closing.press("production"))
    else:
        closing.show("outcome")
    assert over == {"change": how == "planned", "look": True}


def test_what_is_compared_after_a_change_on_this_machine_has_its_own_time() -> None:
    """With the values of another environment, whose time may have been over before the change."""
    peer = a_run("staging").target
    machine = LocalTarget(environment=load("local"), parameter="staging", peer=peer)
    time = peer.clients.calls.time
    time.limit(-1)
    with pytest.raises(TookTooLong), time.counted():
        time.check()
    with Run(runbook="local_setup", started=NOW, local_target=machine).changing(), time.counted():
        time.check()


@pytest.mark.parametrize("is_headless", [True, False])
def test_all_calls_of_a_run_without_a_person_have_one_time(monkeypatch: pytest.MonkeyPatch, is_headless: bool) -> None:
    """From the search for the environment on; a person at a notebook interrupts a cell, and runs it again."""
    searched = list[ReadingTime | None]()

    def find(name: str, file: str, time: ReadingTime | None) -> Environment:
        searched.append(time)
        return load(name)

    monkeypatch.setattr(run, "find_environment", find)
    monkeypatch.setattr(run, "identify", lambda clients, settings: Caller("123456789012", "arn"))
    monkeypatch.setattr(run.reading, "is_headless", lambda: is_headless)
    reached = [run.reach("verify", "staging"), *reach_some("audit", ("staging", "production"), "")[0]]
    times = [target.clients.calls.time for target in reached]
    assert times == searched and len({*times}) == len(times)
    for time in times:
        with time.counted():
            monkeypatch.setattr(calls, "time", SimpleNamespace(monotonic=lambda: monotonic() + LOOK_SECONDS + 1))
            with pytest.raises(TookTooLong) if is_headless else nullcontext():
                time.check()
        monkeypatch.setattr(calls, "time", SimpleNamespace(monotonic=monotonic))


def test_an_error_is_raised_again_and_not_passed_over() -> None:
    """What stood before it stays; what comes after it cannot be shown."""
    closing = Work(CouldNotLook("AWS is gone.")).closing()
    assert closing.show("result") == "what was done"
    for name in ("outcome", "outcome"):
        with pytest.raises(CouldNotLook, match="AWS is gone"):
            closing.show(name)
    assert closing.show("result") == "what was done"


def test_what_was_interrupted_is_told_so() -> None:
    """As by Ctrl-C while a deployment was watched: nothing is shown that was not seen."""
    closing = Work(KeyboardInterrupt()).closing()  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        closing.show("outcome")
    with pytest.raises(UsageError, match="interrupted: run verify"):
        closing.show("outcome")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()], ids=["interrupt", "another error"])
@pytest.mark.parametrize("by_button", [False, True])
def test_a_change_that_broke_off_after_it_was_made_is_not_under_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException, by_button: bool
) -> None:
    """Though its process, such as a kernel, is alive: another change need not wait for it."""
    file = StateFile(tmp_path / "rotate.state.json")
    monkeypatch.setenv(STATE_VARIABLE, str(file.path))

    def displays(apply: bool, confirm: str, live: LiveChange) -> Displays:
        live.announce("move")
        live.tell(Change(key="SECRET_KEY", action="changed", version="version-2"))
        yield "result", "what was done"
        raise error

    closing = Closing(a_run("staging"), PLAN, "Do it", displays, not by_button, "", False)
    press = closing.press("")
    assert (next(press) if by_button else closing.show("result")) == "what was done"
    before = file.read()
    with pytest.raises(type(error)):
        next(press) if by_button else closing.show("outcome")
    after = file.read()
    assert before and before.is_alive and after and not after.is_alive
    assert after.ended == INTERRUPTED


def test_the_button_runs_the_same_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """It applies with the word that was typed, and shows every display in order."""
    monkeypatch.setattr("omc_runbook.runbooks.button.shows_widgets", lambda: True)
    work = Work()
    closing = work.closing()
    closing.show("outcome")
    button = closing.button()
    assert isinstance(button, Button)
    displays, label = played(button._choices[0].act("production"))
    assert displays[:2] == ["what was done", "how it ended"] and OUTDATED in displays[2].to_text() and label == "✓ Done"
    assert work.calls == ["planned", "looked", "applied production", "looked"]


def test_a_plan_that_is_refused_has_neither_button_nor_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last cell says why instead; so do the answer and outcome.json."""
    monkeypatch.setattr("omc_runbook.runbooks.button.shows_widgets", lambda: True)
    monkeypatch.setenv(COMMAND_VARIABLE, "omc-runbook run rotate -p apply true")
    plan = replace(PLAN, blockers=("New tasks would not start.",))
    closing = Closing(a_run("staging"), plan, "Do it", Work(), False, "", False)
    instead = closing.button()
    assert not isinstance(instead, Button) and "Refused until this is fixed: New tasks" in instead.to_text()
    text = a_run("staging").answer((), plan=plan).to_text()
    assert "Refused until this is fixed: New tasks would not start." in text and "omc-runbook run" not in text
    failed = Outcome.from_json(a_run("staging").failed("It broke off.", plan).to_json())
    assert failed.blockers == plan.blockers and not failed.can_be_applied


def test_with_apply_the_last_cell_begins_where_a_person_can_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells before it say so and do nothing; a cell that is run again does not begin it again."""
    monkeypatch.setattr("omc_runbook.runbooks.button.shows_widgets", lambda: True)
    work = Work()
    closing = work.closing(apply=True)
    for name in ("result", "outcome", "answer"):
        assert NOT_BEGUN in closing.show(name).to_text()  # type: ignore[attr-defined]
    button = closing.button()
    assert work.calls == [] and isinstance(button, Button) and button.begins_with == ""
    assert "was applied" in closing.button().to_text()  # type: ignore[union-attr]
    played(button._choices[0].act("production"))
    assert work.calls == ["applied production", "looked"] and closing.show("result") == "what was done"
    assert work.closing(apply=True).make("result") == "what was done"


def played(steps: Iterator[object]) -> tuple[list[object], str]:
    """All that a generator yields, and what it returns."""
    displays: list[object] = []
    while True:
        try:
            displays.append(next(steps))
        except StopIteration as end:
            return displays, end.value


def test_the_answer_leads_to_a_change_that_was_not_finished() -> None:
    """In every runbook, also in one that only reads; without such a change the answer does not mention one."""
    begun = a_run("staging")
    assert UNFINISHED not in begun.answer(()).to_text()
    answer = replace(begun, unfinished=(Banner("bad", "rotate was not finished."),)).answer(())
    assert "A change is not finished" in answer.to_text() and UNFINISHED in answer.to_text()


def test_a_plan_made_in_the_middle_of_another_change_waits_for_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no button and no command for it; the answer says that the other change was under way."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("omc_runbook.runbooks.button.can_press", lambda: True)
    staging = a_run("staging")
    StateFile(tmp_path / "records" / "rotate-staging-1.state.json").write(staging.state())
    begun = unfinished.with_unfinished(staging, lambda run, state: ())
    answer = begun.answer((), plan=PLAN)
    text = " ".join(answer.to_text().split())
    assert UNDER_WAY in text and WAIT in text and UNFINISHED not in text and "Set apply" not in text
    assert answer.outcome and not answer.outcome.can_be_applied
    assert text.count(WAIT) == 1 and "When this is fixed, run the notebook again." in text
    button = Closing(begun, PLAN, "Do it", Work(), False, "", False).button()
    assert not isinstance(button, Button) and WAIT in button.to_text()
    assert WAIT not in begun.answer(()).to_text() and UNDER_WAY in begun.answer(()).to_text()


COMMON = "prompt, file:PATH, env:NAME"


@pytest.mark.parametrize(
    ("gather", "sources"),
    [
        (lambda run: update.gather(run, healthy(), "promt", "SMTP_HOST"), f"{COMMON}, generate or keep"),
        (
            lambda run: rotate.gather(run, healthy(), VersionHistory(()), "SECRET_KEY", "promt", ""),
            f"renew, {COMMON}, generate or keep",
        ),
        (lambda run: values_of(with_keys(healthy(), A_KEY=""), NEW_KEY, "promt"), f"{COMMON} or generate"),
    ],
    ids=["update", "rotate", "add_key"],
)
def test_a_wrong_source_is_answered_with_those_that_the_runbook_has(
    gather: Callable[[Run], object], sources: str
) -> None:
    """A rotation can renew; a new key has no value to keep."""
    with pytest.raises(UsageError, match=f"values_from is not a source of values: choose {sources}\\."):
        gather(a_run("staging"))


def test_a_new_key_has_no_value_to_keep() -> None:
    """A placeholder in its place would surprise whoever asked for that; what the secret has stays."""
    assert not values_of(with_keys(healthy(), A_KEY="a value"), NEW_KEY, "keep")
    for snapshot in (healthy(), with_keys(healthy(), A_KEY="")):
        with pytest.raises(UsageError, match="staging has no value of A_KEY to keep: set values_from to prompt"):
            values_of(snapshot, NEW_KEY, "keep")


def test_add_key_without_a_key_has_an_empty_plan_that_says_so() -> None:
    """In the record and in the summary as well: `ok` alone would hide that nothing was asked for."""
    ended = key_addition._conclude(a_run("staging"), {"staging": ()}, None, None)
    assert isinstance(ended, Ending) and "Nothing to do, and nothing is wrong in staging" in ended.headline
    assert (ended.outcome.plan, ended.outcome.notes) == ((), (key_addition.NAME_IT,))


def test_a_change_that_nothing_was_chosen_for_says_where_its_parameters_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the summary as well, where there is no form; a plan with a change does not say so."""
    monkeypatch.setattr(Run, "look", lambda run: healthy())
    begun = replace(a_run("staging"), runbook="update")
    chosen = "To change something, set the parameters: omc-runbook show update lists them."
    for values in ({}, {"SMTP_HOST": NewValue(Masked("mail.example.com", "SMTP_HOST"), "a test")}):
        plan, source = plan_update(healthy(), values), secret_change.Source(new=NewValues(values))
        ended = secret_change.closing(begun, healthy(), plan, False, "", source).show("outcome")
        assert isinstance(ended, Ending) and (chosen in ended.outcome.notes) is not bool(values)


@pytest.mark.parametrize(("is_chosen", "may_apply"), [(False, True), (True, True), (True, False)])
def test_an_apply_says_so_too_and_a_change_that_was_chosen_does_not(
    is_chosen: bool, may_apply: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters that name a change, such as keys that are due, need not be set."""
    monkeypatch.setattr(Run, "look", lambda run: healthy())
    plan, source = plan_update(healthy(), {}), secret_change.Source(new=NewValues({}), is_chosen=is_chosen)
    monkeypatch.setattr(secret_change, "apply", lambda *_: SecretResult(plan=plan) if may_apply else None)
    ended = secret_change.closing(a_run("staging"), healthy(), plan, may_apply, "", source).show("outcome")
    assert isinstance(ended, Ending)
    assert any(note.startswith("To change something") for note in ended.outcome.notes) is not is_chosen


def test_to_keep_all_values_is_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all tasks have them, there is nothing to do, and nothing more to set."""
    monkeypatch.setattr(Run, "look", lambda run: healthy())
    plan, new = plan_update(healthy(), {}), NewValues({})
    ended = rotate.closing(a_run("staging"), healthy(), plan, new, False, "", "keep").show("outcome")
    assert isinstance(ended, Ending)
    assert not any(note.startswith("To change something") for note in ended.outcome.notes)


def test_that_no_key_is_due_is_said() -> None:
    """The parameters were set, and there is nothing to do."""
    new = secret_change.gather(a_run("staging"), healthy(), "renew", "due", due=())
    assert secret_change.NOTHING_DUE in new.notes


def test_a_change_of_a_checkout_is_finished_there_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command names the checkout, which may have come from a variable or be named relatively."""
    named = {"environment": "staging", "repository": "../platform"}
    local = replace(a_run("staging"), runbook="local_setup", checkout=Mock(root=tmp_path))
    for parameters in ({"environment": "staging"}, named):
        monkeypatch.setattr(run.own_parameters, "to_finish", lambda runbook, found=parameters: dict(found))
        state = local.state()
        assert state.parameters["repository"] == str(tmp_path) and f"-p repository {tmp_path}" in state.go_on
    monkeypatch.setattr(run.own_parameters, "to_finish", lambda runbook: {})
    assert local.state().go_on == "Run local_setup again, with the same parameters."
