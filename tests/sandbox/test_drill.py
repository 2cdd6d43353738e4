"""Drills: something unnamed is broken, an answer is graded, and the score tells how it went."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from omc_runbook.model.errors import UsageError
from omc_runbook.sandbox import drills, lifecycle
from omc_runbook.sandbox.cli import sandbox as commands
from omc_runbook.sandbox.drills import Grade
from omc_runbook.sandbox.faults import catalogue
from omc_runbook.sandbox.lifecycle import Sandbox


@pytest.fixture(autouse=True)
def here(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The sandbox that the commands find, with no drill left over."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.endpoint)
    yield
    if drills.current(sandbox):
        drills.stop(sandbox)


def call(*arguments: str) -> Result:
    """A command of `omc-runbook sandbox`."""
    return CliRunner().invoke(commands, arguments)


def said(*arguments: str) -> Any:
    """What a command that succeeds says in JSON."""
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.exception
    return json.loads(done.output)


def refusal(*arguments: str) -> str:
    """Why a command was refused."""
    done = call(*arguments)
    assert isinstance(done.exception, UsageError)
    return str(done.exception)


def broken(sandbox: Sandbox) -> str:
    """What the drill has broken."""
    running = drills.current(sandbox)
    assert running
    return running.fault


def test_a_drill_from_start_to_score(sandbox: Sandbox) -> None:
    """One right and one wrong answer: what it was is told after each, and the score at the end."""
    told = said("drill", "--family", "content", "--count", "2", "--seed", "1")
    first = broken(sandbox)
    assert (told["number"], told["count"]) == (1, 2)
    assert not any(fault.id in json.dumps(told) for fault in catalogue())

    wrong = said("answer", "wrong-region")
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
    assert said("status")["broken"] == ["a drill"]
    assert "broken: a drill" in call("status").output
    assert fault not in call("status").output
    assert "already running" in refusal("drill")
    assert "A drill is running" in refusal("break", "bom")
    assert broken(sandbox) == fault


def test_an_unknown_answer_is_not_graded(sandbox: Sandbox) -> None:
    """A misspelt id is refused with the nearest, and the drill goes on."""
    call("drill", "--family", "secret", "--seed", "3")
    assert "did you mean no-permission?" in refusal("answer", "no-permision")
    running = drills.current(sandbox)
    assert running and running.grades == ()


@pytest.mark.parametrize("ending", [("drill", "--stop"), ("mend",)])
def test_ended_early(sandbox: Sandbox, ending: tuple[str, ...]) -> None:
    """A drill that is ended, or mended by hand, tells what it was and leaves the healthy world."""
    call("drill", "--family", "reference", "--seed", "4")
    fault = broken(sandbox)
    assert f"The fault was {fault}." in call(*ending).output
    assert lifecycle.status(sandbox)["broken"] == []
    assert "No drill runs" in refusal("answer", fault)


def test_begins_in_a_healthy_world(sandbox: Sandbox) -> None:
    """With something broken by hand there is no drill, which could not be told from it."""
    lifecycle.ask(sandbox, "POST", "note", {"broken": ["desired-zero"]})
    assert "desired-zero" in refusal("drill")
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
    """Who names what follows from the cause is told so; who names something else is not."""
    assert "consequence" in drills.verdict(Grade("key-missing", "rollout-stuck", 9.0))
    assert "consequence" not in drills.verdict(Grade("key-missing", "desired-zero", 9.0))
    assert drills.verdict(Grade("bom", "bom", 9.0)).startswith("Right")


def test_every_fault_comes_before_one_comes_again(sandbox: Sandbox) -> None:
    """More faults than a family has are all of it, then some again; the same seed gives the same."""
    family = [fault.id for fault in catalogue() if fault.family == "secret"]
    orders = []
    for _ in range(2):
        call("drill", "--family", "secret", "--count", str(len(family) + 1), "--seed", "5")
        running = drills.current(sandbox)
        assert running
        orders.append(running.faults)
        drills.stop(sandbox)
    assert orders[0] == orders[1]
    assert sorted(orders[0][: len(family)]) == sorted(family)
