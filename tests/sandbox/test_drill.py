"""Drills: something unnamed is broken, an answer is graded, and the score tells how it went."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner, Result

from omc_runbook.model.errors import UsageError
from omc_runbook.sandbox import drills, folders, hints, lifecycle, solved
from omc_runbook.sandbox.cli import sandbox as commands
from omc_runbook.sandbox.drills import Grade
from omc_runbook.sandbox.faults import every, find
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.solved import BestAnswer


@pytest.fixture(autouse=True)
def here(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The sandbox that the commands find, with no drill left over; yields the file of what was solved."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.endpoint)
    file = tmp_path / "solved.json"
    monkeypatch.setattr(folders, "solved_file", lambda: file)
    yield file
    if drills.current(sandbox):
        drills.stop(sandbox)


def call(*arguments: str) -> Result:
    """A command of `omc-runbook sandbox`."""
    return CliRunner().invoke(commands, arguments)


def json_of(*arguments: str) -> Any:
    """What a command that succeeds says in JSON."""
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.output)


def refusal(*arguments: str) -> str:
    """Why a command was refused."""
    result = call(*arguments)
    assert isinstance(result.exception, UsageError)
    return str(result.exception)


def broken(sandbox: Sandbox) -> str:
    """What the drill has broken."""
    running = drills.current(sandbox)
    assert running
    return running.fault


def test_a_drill_from_start_to_score(sandbox: Sandbox) -> None:
    """One right and one wrong answer: after each comes the solution, and the score at the end."""
    drill = json_of("drill", "--family", "content", "--count", "2", "--seed", "1")
    first = broken(sandbox)
    assert (drill["number"], drill["count"]) == (1, 2)
    assert not any(fault.id in json.dumps(drill) for fault in every())

    wrong = json_of("answer", "wrong-region")
    assert (wrong["fault"], wrong["answer"], wrong["right"]) == (first, "wrong-region", False)
    assert 0 <= wrong["seconds"] < 60
    assert wrong["next"]["number"] == 2
    second = broken(sandbox)
    assert second != first

    last = call("answer", second)
    assert "Right" in last.output
    lines = last.output.splitlines()
    assert [line.split()[:3] for line in lines if line.startswith((f"{first} ", f"{second} "))] == [
        [first, "wrong-region", "wrong"],
        [second, second, "right"],
    ]
    assert lines[-1] == "1 of 2 right"
    assert drills.current(sandbox) is None
    assert lifecycle.status(sandbox)["broken"] == []


def test_nothing_gives_it_away(sandbox: Sandbox) -> None:
    """While a drill runs neither the status nor a second drill names what is broken, and none is broken by hand."""
    call("drill", "--family", "access", "--seed", "2")
    fault = broken(sandbox)
    assert json_of("status")["broken"] == ["a drill"]
    assert "broken: a drill" in call("status").output
    assert fault not in call("status").output
    assert "already running" in refusal("drill")
    assert "A drill is running" in refusal("break", "bom")
    assert broken(sandbox) == fault


def test_an_unknown_answer_is_not_graded(sandbox: Sandbox) -> None:
    """A misspelt id is refused with the nearest, and the drill goes on."""
    call("drill", "--family", "secret", "--seed", "3")
    assert "did you mean no-permission?" in refusal("answer", "no-permision")
    assert f"none of the {len(every())} that exist" in refusal("answer", "nosuch")
    running = drills.current(sandbox)
    assert running and running.grades == ()


@pytest.mark.parametrize("ending", [("drill", "--stop"), ("mend",)])
def test_ended_early(sandbox: Sandbox, ending: tuple[str, ...]) -> None:
    """A drill that is ended, or mended by hand, tells what it was and leaves the healthy world."""
    call("drill", "--family", "reference", "--seed", "4")
    fault = broken(sandbox)
    assert f"The fault was {fault}." in call(*ending).output
    assert lifecycle.status(sandbox)["broken"] == []
    assert "No drill is running" in refusal("answer", fault)


def test_begins_in_a_healthy_world(sandbox: Sandbox) -> None:
    """With a fault broken by hand there is no drill: nobody could tell the two apart."""
    lifecycle.ask(sandbox, "POST", "note", {"broken": ["desired-zero"]})
    assert "something was broken, fixed since or not: desired-zero." in refusal("drill")
    lifecycle.ask(sandbox, "POST", "note", {"broken": []})


def test_an_unknown_family_is_refused() -> None:
    """The nearest family is named."""
    assert "did you mean reference?" in refusal("drill", "--family", "references")


def test_without_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no sandbox at hand the usual sentence says how to start one."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for command in (("drill",), ("answer", "bom")):
        assert "omc-runbook sandbox up" in refusal(*command)


def test_a_consequence_is_told_kindly() -> None:
    """The verdict on an answer that is a consequence of the cause says so; on another wrong one it does not."""
    assert "consequence" in drills.verdict(Grade("key-missing", "rollout-stuck", 9.0))
    assert "consequence" not in drills.verdict(Grade("key-missing", "desired-zero", 9.0))
    assert drills.verdict(Grade("bom", "bom", 9.0)).startswith("Right")


def test_every_fault_comes_before_one_comes_again(sandbox: Sandbox) -> None:
    """More faults than a family has are all of it, then some again; the same seed gives the same."""
    family = [fault.id for fault in every() if fault.family == "secret"]
    orders = []
    for _ in range(2):
        call("drill", "--family", "secret", "--count", str(len(family) + 1), "--seed", "5")
        running = drills.current(sandbox)
        assert running
        orders.append(running.faults)
        drills.stop(sandbox)
    assert orders[0] == orders[1]
    assert sorted(orders[0][: len(family)]) == sorted(family)


def test_the_levels() -> None:
    """Each level has faults of several families, by the rule that the help states; `faults` lists each fault's."""
    levels = {fault.id: hints.level(fault) for fault in every()}
    counts = Counter(levels.values())
    assert min(counts.values()) > len(levels) / 4 and counts.keys() == {"easy", "medium", "hard"}
    # Only one other error is shown where an image or a log group is missing; many faults leave an old value.
    assert (levels["image-pull"], levels["no-permission"], levels["not-forced"]) == ("easy", "medium", "hard")
    words = " ".join(call("drill", "--help").output.split())
    assert f"up to {hints.EASY} is easy, up to {hints.MEDIUM} medium, more is hard" in words
    assert f"worth {drills.POINTS} points, {drills.HINT_COST} fewer for each hint" in words
    assert {each["id"]: each["level"] for each in json_of("faults")} == levels
    assert re.search(r"^image-pull +deployment +easy ", call("faults").output, re.MULTILINE)


def test_a_drill_of_a_level(sandbox: Sandbox) -> None:
    """Only faults of the level come, and of the family too; a family without any is refused."""
    assert call("drill", "--level", "easy", "--family", "access", "--count", "4", "--seed", "6").exit_code == 0
    running = drills.current(sandbox)
    assert running
    assert {hints.level(find(fault)) for fault in running.faults} == {"easy"}
    assert {find(fault).family for fault in running.faults} == {"access"}
    drills.stop(sandbox)
    assert refusal("drill", "--level", "easy", "--family", "running") == (
        "The family running has no easy fault: its faults are hard."
    )


def test_someone_else_breaks_it_and_hints_cost_points(here: Path) -> None:
    """A fault that was broken secretly is named nowhere; each hint costs, and the card keeps a right answer."""
    broke = call("break", "kms-disabled", "--secretly")
    assert broke.exit_code == 0 and "kms-disabled" not in broke.output and "key" not in broke.output
    status = json_of("status")
    assert status["broken"] == ["a drill"] and status["drill"]["count"] == 1 and status["drill"]["seconds"] >= 0
    assert status["drill"]["symptom"] in broke.output and status["drill"]["symptom"] in call("status").output
    assert "kms-disabled" not in json.dumps(status) + call("status").output
    assert "A drill is running" in refusal("break", "bom")
    assert "already running" in refusal("break", "bom", "--secretly")

    first = json_of("hint")
    assert (len(first["hints"]), first["points"]) == (1, 8)
    assert "family is access" in first["hints"][0]
    again = call("hint").output
    assert first["hints"][0] in again and "DescribeKey" in again and "worth 6 points" in again
    third = json_of("hint")
    assert "kms-disabled" in third["hints"][2] and third["points"] == 4
    assert json_of("hint") == third

    graded = json_of("answer", "kms-disabled")
    assert (graded["right"], graded["hints"], graded["points"]) == (True, 3, 4)
    assert f"after {graded['seconds']:.0f} s, 4 of 10 points" in graded["told"]
    assert json_of("status")["drill"] is None and json_of("status")["broken"] == []
    assert here.stat().st_mode & 0o777 == 0o600
    access = next(each for each in json_of("card") if each["family"] == "access")
    assert access["solved"] == [{"fault": "kms-disabled", "points": 4, "seconds": graded["seconds"]}]


def test_the_fault_is_asked_for_unseen(sandbox: Sandbox) -> None:
    """Without an id the command asks for it and does not echo it; a misspelt one breaks nothing."""
    result = CliRunner().invoke(commands, ["break", "--secretly"], input="exec-off\n")
    assert result.exit_code == 0 and "exec-off" not in result.output
    assert broken(sandbox) == "exec-off"
    drills.stop(sandbox)
    misspelt = CliRunner().invoke(commands, ["break", "--secretly"], input="exec-of\n")
    assert (
        "That is not a fault's id" in str(misspelt.exception) and "exec" not in f"{misspelt.exception}{misspelt.output}"
    )
    none = CliRunner().invoke(commands, ["break", "--secretly"], input="")
    assert str(none.exception).startswith("That is not a fault's id") and none.output == ""
    assert str(none.exception).endswith(" Standard input has none.")
    assert "the nearest is exec-off" in refusal("break", "exec-of", "--secretly")
    assert "Which fault?" in refusal("break")
    assert drills.current(sandbox) is None
    assert "No drill is running" in refusal("hint")


def test_the_card_keeps_the_best_answer(here: Path) -> None:
    """One answer a fault, the one with most points and then the fastest; a damaged or foreign entry does no harm."""
    for points, seconds in ((6, 9.0), (10, 50.0), (10, 40.0), (8, 1.0)):
        solved.add(BestAnswer("bom", points, seconds))
    solved.add(BestAnswer("exec-off", 4, 7.4))
    card = call("card").output
    assert re.search(r"^content +1 of \d+ +10 +40 s$", card, re.MULTILINE)
    assert re.search(r"^exec +1 of \d+ +4 +7 s$", card, re.MULTILINE)
    assert re.search(r"^network +0 of \d+ +0 +-$", card, re.MULTILINE)
    assert card.splitlines()[-1] == f"2 of {len(every())} faults solved, 14 points"

    here.write_text(json.dumps([*json.loads(here.read_text()), {"fault": "gone", "points": 1, "seconds": 1}]))
    assert call("card").output == card
    for damaged in ("[{", "7", '{"bom": 1}', '[{"fault": "bom", "points": Infinity, "seconds": 1}]'):
        here.write_text(damaged)
        assert "\n0 of " in call("card").output
    solved.add(BestAnswer("bom", 10, 1.0))
    assert "1 of" in call("card").output.splitlines()[-1]
    assert "\n0 of " in call("card", "--clear").output and not here.exists()


def test_families_are_completed() -> None:
    """A shell completes the families of `drill`."""
    completion = BashComplete(commands, {}, "sandbox", "_SANDBOX_COMPLETE")
    assert [item.value for item in completion.get_completions(["drill", "--family"], "re")] == ["reference"]
    assert len(completion.get_completions(["drill", "--family"], "")) == len({each.family for each in every()})
