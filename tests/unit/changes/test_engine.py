"""The engine of every change: the order of steps, what is announced, undone and told, and what an outcome gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from omc_runbook.changes.engine.step import Cancelled, Journal, Step, StepFailed, at_once, execute
from omc_runbook.model.change import Change
from omc_runbook.model.errors import ConflictError, CouldNotLook, Interrupted, UsageError


class Bench:
    """Steps that record what they do."""

    def __init__(self) -> None:
        self.announcements: list[str] = []
        self.calls: list[str] = []
        self.journal = Journal()

    def step(self, name: str, is_done: bool = False, undo: bool = True, error: BaseException | None = None) -> Step:
        def apply() -> Iterator[Change]:
            self.calls.append(name)
            yield Change(action="did", key=name)
            if error:
                raise error

        back = (self.step(f"un{name}", undo=False),) if undo else ()
        return Step(name=name, apply=apply, is_done=lambda: is_done, undo=back)

    def run(self, *steps: Step, leave: bool = False) -> bool:
        afterwards = [self.step("after", undo=False)]
        return execute(steps, self.announcements.append, self.journal, afterwards, leave)

    @property
    def keys(self) -> list[str | None]:
        return [change.key for change in self.journal.changes]


def test_steps_are_announced_and_done_in_order_and_nothing_is_undone() -> None:
    """One without a name is not announced, one that is done is neither announced nor done again."""
    bench = Bench()
    quiet = Step(name="", apply=lambda: bench.calls.append("quiet"))
    assert bench.run(bench.step("a"), quiet, bench.step("b", is_done=True), bench.step("c"))
    assert (bench.announcements, bench.calls, bench.keys) == (["a", "c"], ["a", "quiet", "c"], ["a", "c"])


def test_what_does_not_work_is_undone_in_reverse_also_what_a_killed_run_did() -> None:
    """The steps after it are not reached; what follows the way back comes last; all of it is in the journal."""
    bench = Bench()
    steps = (bench.step("a"), bench.step("b", is_done=True), bench.step("c", error=StepFailed()), bench.step("d"))
    assert not bench.run(*steps)
    assert bench.calls == ["a", "c", "unc", "unb", "una", "after"] == bench.announcements == bench.keys


def test_what_a_person_stops_is_undone_also_with_leave() -> None:
    """The journal tells it from a failure."""
    bench = Bench()
    assert not bench.run(bench.step("a"), bench.step("b", error=Cancelled()), bench.step("c"), leave=True)
    assert bench.calls == ["a", "b", "unb", "una", "after"] and bench.journal.is_cancelled


def test_leave_keeps_what_was_done() -> None:
    """Nothing is undone, and it still has failed."""
    bench = Bench()
    assert not bench.run(bench.step("a"), bench.step("b", error=StepFailed()), leave=True)
    assert bench.calls == ["a", "b"]


@pytest.mark.parametrize("kind", [CouldNotLook, ConflictError])
def test_an_error_says_once_how_far_the_run_has_come_and_undoes_nothing(kind: type[Exception]) -> None:
    """Also what was done before in the step itself, and within another execution with the same journal."""
    bench = Bench()

    def within() -> None:
        execute([bench.step("b", error=kind("AWS refused."))], bench.announcements.append, bench.journal)

    with pytest.raises(kind) as error:
        bench.run(bench.step("a"), Step(name="outer", apply=within))
    assert str(error.value) == "AWS refused. Done before: did a, did b. Run again to finish."
    assert bench.calls == ["a", "b"]


def test_an_interruption_says_how_far_the_run_has_come_and_undoes_nothing() -> None:
    """It becomes an error that ends the run as any other; before the first change there is nothing to say."""
    bench = Bench()
    with pytest.raises(Interrupted, match=r"^Interrupted\. Done before: did a, did b\. Run again to finish\.$"):
        bench.run(bench.step("a"), bench.step("b", error=KeyboardInterrupt()))
    assert bench.calls == ["a", "b"]

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"^Interrupted\.$"):
        Bench().run(Step(name="a", apply=interrupt))


def test_changes_of_one_moment_are_all_known_where_telling_them_is_interrupted() -> None:
    """None of them is left out of what was done before, since all are in force."""
    told: list[tuple[Change, ...]] = []

    def tell(*changes: Change) -> None:
        told.append(changes)
        raise KeyboardInterrupt

    journal, changes = Journal(tell), tuple(Change(action="did", key=key) for key in "ab")
    with pytest.raises(Interrupted, match=r"^Interrupted\. Done before: did a, did b\. Run again to finish\.$"):
        execute([Step(name="write", apply=lambda: at_once(changes))], lambda step: None, journal)
    assert told == [changes] and journal.changes == [*changes]


def test_changes_of_a_step_name_its_environment_also_those_of_steps_that_it_executes() -> None:
    """Else nobody could tell the backend of one environment from another's; a change that names one keeps it."""
    bench, told = Bench(), list[Change]()
    journal = Journal(lambda *changes: told.extend(changes))

    def deploy() -> Iterator[Change]:
        own = Step(name="", apply=lambda: [Change(action="did", key="b", environment="production")])
        execute([bench.step("a"), own], lambda step: None, journal)
        yield Change(action="redeployed", service="backend")

    execute([Step(name="", apply=deploy, environment="staging"), bench.step("c")], lambda step: None, journal)
    places = ["did a in staging", "did b in production", "redeployed backend in staging", "did c"]
    assert [*map(str, journal.changes)] == [*map(str, told)] == places


def test_a_step_gives_its_own_advice_and_where_nothing_was_done_there_is_none() -> None:
    """An error before the first change stays as it is, and so does one of usage."""

    def refuse(error: Exception) -> Callable[[], None]:
        def apply() -> None:
            raise error

        return apply

    bench = Bench()
    first = Step(name="a", apply=refuse(CouldNotLook("No.")), advice="Ask for it.")
    with pytest.raises(CouldNotLook, match=r"^No\.$"):
        bench.run(first)
    with pytest.raises(CouldNotLook, match=r"^No\. Done before: did b\. Ask for it\.$"):
        bench.run(bench.step("b"), first)
    with pytest.raises(UsageError, match=r"^Wrong\.$"):
        bench.run(bench.step("c"), Step(name="d", apply=refuse(UsageError("Wrong."))))


def test_only_an_error_that_is_marked_so_says_what_to_do() -> None:
    """Its text may quote another program's."""
    error = CouldNotLook('terraform apply failed: "run again to see it".')
    with pytest.raises(CouldNotLook, match=r"see it\"\. Done before: did a\. Run again to finish\.$"):
        Bench().run(Bench().step("a", error=error))


@pytest.mark.parametrize(
    "error",
    [
        ConflictError("main.tf was changed since the plan was made. Run again to make a new plan.", says_next=True),
        CouldNotLook("It does not read back as written: run verify before anything else.", says_next=True),
        KeyboardInterrupt(
            Interrupted("Interrupted. PutRolePolicy may still take effect: run again to continue.", says_next=True)
        ),
    ],
)
def test_an_error_that_says_what_to_do_is_not_given_a_second_advice(error: BaseException) -> None:
    """The two would contradict each other, or say the same twice; a step's own advice says more."""

    def refuse() -> None:
        raise error

    kind = Interrupted if isinstance(error, KeyboardInterrupt) else type(error)
    with pytest.raises(kind) as told:
        Bench().run(Bench().step("a"), Step(name="b", apply=refuse))
    assert str(told.value) == f"{error} Done before: did a."
    with pytest.raises(kind, match=r"Done before: did a\. Its label stays\.$"):
        Bench().run(Bench().step("a"), Step(name="b", apply=refuse, advice="Its label stays."))


CHANGES = {
    '{"key": "A", "action": "changed", "origin": "prompt", "version": "v", "environment": "staging"}': Change(
        action="changed", key="A", origin="prompt", version="v", environment="staging"
    ),
    '{"key": "A", "action": "removed", "origin": "", "version": "v"}': Change(
        action="removed", key="A", origin="", version="v"
    ),
    '{"service": "backend", "action": "redeployed", "deployment": "d"}': Change(
        action="redeployed", service="backend", deployment="d"
    ),
    '{"action": "created", "secret": "s", "by": "tofu", "version": "v"}': Change(
        action="created", secret="s", by="tofu", version="v"
    ),
    '{"action": "granted", "role": "r", "policy": "p"}': Change(action="granted", role="r", policy="p"),
    '{"action": "edited", "file": "f", "origin": "o"}': Change(action="edited", file="f", origin="o"),
    '{"key": "A", "action": "added", "origin": "o", "file": ".env"}': Change(
        action="added", key="A", origin="o", file=".env"
    ),
}


@pytest.mark.parametrize("text", CHANGES)
def test_a_change_is_written_as_schema_1_has_it(text: str) -> None:
    """Only what belongs to its kind, in the order in which it always stood; an empty origin is kept."""
    assert json.dumps(CHANGES[text].to_json()) == text
