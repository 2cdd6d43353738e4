"""The last part of a runbook: its displays, which cells show one by one and the button in JupyterLab all at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain, repeat

from omc_runbook.aws.ecs import Service
from omc_runbook.changes.deploy.rollout import started_and_watched
from omc_runbook.changes.engine.result import ChangeResult, Plan
from omc_runbook.model.errors import Interrupted, RunbookError, UsageError
from omc_runbook.model.findings import REFUSED
from omc_runbook.model.letters import listed
from omc_runbook.report.answer import Answer
from omc_runbook.report.archive.state import ChangeState
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.display.rich_display import RichDisplay
from omc_runbook.runbooks import own_record
from omc_runbook.runbooks.button import Button, Buttons, Choice, Offer, can_press, nothing_to_offer, offer
from omc_runbook.runbooks.final_answer import FinalAnswer
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.page import ANSWER, Cells
from omc_runbook.runbooks.run import Run, now

Displays = Generator[tuple[str, object], None, str]
"""Applies the plan and yields each display with its name; returns how it ended, in a few words for the button."""

INTERRUPTED = "The change was interrupted: run verify to see the state, then this notebook again from its first cell."

NOT_BEGUN = "Not started yet: apply is set, so the last cell starts it, and has the buttons that stop it."

NOTHING_DONE = "Nothing was done."

SEE_END = "The last cell says what was done, and how to go on."

OUTDATED = "The cells above are still those of the run before this one."

OLD_PLAN = "The cells above “Change it” are out of date: run all cells again for a new plan."

DEAD = "If the kernel has ended since then, run all cells again: that shows what was done, and how to go on."

NOT_OF_IT = (
    "This notebook's plan was not applied: an unfinished change was finished or taken back instead. The last cell says"
    " which."
)


@dataclass(frozen=True)
class _Pointers:
    """What a cell says while a change is under way, and after it broke off: where to look."""

    under_way: str
    see_progress: str
    unfinished: str
    nothing_done: str


BELOW = _Pointers(
    under_way="the progress is below, and the result will be here.",
    see_progress="the last cell shows the progress, and has the buttons that stop it.",
    unfinished="It is not finished. Why, what was done and how to continue are below.",
    nothing_done=f"{NOTHING_DONE} The reason is below.",
)

ABOVE = _Pointers(
    under_way="the progress is below the parameters, and the result will be here.",
    see_progress="the progress is below the parameters, with the buttons that stop it.",
    unfinished="It is not finished. Why, what was done and how to continue are below the parameters.",
    nothing_done=f"{NOTHING_DONE} The reason is below the parameters.",
)


def end_label(result: ChangeResult | None, proved: str, unproved: str = "") -> str:
    """The button's last label: what it says of a change that is proved, or was stopped, or is neither."""
    if result is None or result.is_proved:
        return proved
    if result.is_cancelled:
        return "✓ Stopped and put back" if result.is_back else "✗ Stopped, and not put back everywhere"
    return unproved or ("✗ It failed" if result.rollback_note else "? Done, and not verified")


def button_label(act: str, environment: str, services: Iterable[Service] = (), underway: Collection[str] = ()) -> str:
    """What a button does, to what: "Write SECRET_KEY and redeploy backend, worker in staging".

    `underway` are the names of services whose present deployment it only watches. One that gets no new task is not
    named.
    """
    started, watched = started_and_watched(services, underway)
    redeploy = f"redeploy {listed(started)}" if started else ""
    watch = f"watch the {'deployments' if watched[1:] else 'deployment'} of {listed(watched)}" if watched else ""
    acts = " and ".join(filter(None, (act, redeploy, watch))) or "apply the plan"
    return f"{acts[:1].upper()}{acts[1:]} in {environment}"


def _why(error: str, then: str) -> str:
    """The first sentence of an error, and what follows of it, unless the sentence says that nothing was done."""
    reason = error.partition(". ")[0].rstrip(".")
    is_said = then == NOTHING_DONE and reason.endswith((": nothing was done", ": nothing was written"))
    return f"{reason}." if is_said else f"{reason}. {then}"


class Closing:
    """The displays that end a runbook, each made once and in order, by a generator that also applies the plan.

    The cells show them for the parameters `apply` and `confirm`. The button calls the same function with True and the
    word that was typed; in Jupyter what the cells show is then replaced, so that the page says what is. Where a person
    can press buttons, `apply` presses it in the last cell: then the change can be stopped, too. `state` is how the
    change's state begins, `after` has the buttons for a change that broke off.
    """

    def __init__(
        self,
        run: Run,
        plan: Plan | None,
        label: str,
        make: Callable[[bool, str, LiveChange], Displays],
        apply: bool,
        confirm: str,
        is_empty: bool,
        state: ChangeState | None = None,
        after: Offer = nothing_to_offer,
    ) -> None:
        self._run, self._plan, self._label, self._make = run, plan, label, make
        self._is_applied, self._is_empty = apply, is_empty
        self._state, self._after = state or run.state(), after
        self._live, self._confirm = LiveChange(), confirm
        self._is_waiting, self._has_begun = apply and not is_empty and can_press(), False
        self._generator: Displays | None = None
        self._cells = Cells()
        self._error: RunbookError | None = None
        run.announce(plan, apply)

    def show(self, name: str) -> object:
        """The display of that name; raises what applying the plan raises, on every call."""
        self._run.page.cells = self._cells
        if self._is_waiting and name not in self._displays:
            self._displays[name] = Banner("plain", NOT_BEGUN)
        return self.make(name)

    def make(self, name: str) -> object:
        """The display of that name, as `show` gives it, made at once if it is not there."""
        while name not in self._displays:
            self._advance()
        self._cells.keep(name, self._displays[name])
        return self._displays[name]

    def answer(self) -> FinalAnswer:
        """The answer, and below it the button that applies the plan, where there is one."""
        answer, button = self.show(ANSWER), self.button()
        assert isinstance(answer, RichDisplay)
        links = None if isinstance(answer, Answer) else ()
        return FinalAnswer(answer, button if isinstance(button, Button) else None, links, self._run.page)

    @property
    def _displays(self) -> dict[str, object]:
        return self._cells.displays

    def button(self) -> Button | Listing:
        """A button that applies the plan, or a sentence why there is none."""
        if self._cells.is_outdated:
            return Listing("By a button", (), OLD_PLAN)
        blockers = self._run.blockers(self._plan)
        if blockers and not self._is_applied:
            return Listing("By a button", (), f"{REFUSED} {' '.join(blockers)}")
        is_done = self._has_begun if self._is_waiting else self._is_applied
        choice = Choice(self._label, self.press, self._live, self._after)
        button = offer(self._run, choice, is_done, self._is_empty)
        if self._is_waiting and isinstance(button, Button):
            self._has_begun, button.begins_with = True, self._confirm
        return button

    def press(self, word: str, live: LiveChange | None = None) -> Generator[object, None, str]:
        """Apply the plan with the word that was typed, and yield what is new; returns the button's last label.

        What a notebook's cells show is replaced, also where they show another plan than this one. Raises UsageError for
        a plan that is out of date.
        """
        if self._cells.is_outdated:
            raise UsageError(f"{OLD_PLAN} {NOTHING_DONE}")
        live, page = live or self._live, self._run.page
        self._begin(live)
        cells = page.cells if page.cells.displays and not self._displays else self._cells
        is_own, pointers = cells is self._cells, BELOW if cells is self._cells else ABOVE
        displays, is_outdated, end, see = self._make(True, word, live), False, INTERRUPTED, pointers.unfinished
        stale, by_name = dict.fromkeys(cells.displays), dict[str, object]()
        page.version += 1
        cells.is_outdated = not is_own
        begun = f"Under way since {now():%H:%M:%S} UTC"
        for name in stale:
            # A saved page still says so where the kernel that would replace it was killed.
            where, lines = (pointers.under_way, (DEAD,)) if name == ANSWER else (pointers.see_progress, ())
            cells.replace(name, Banner("plain", f"{begun}: {where}", lines))
        try:
            while True:
                try:
                    name, display = self._next(displays, is_change=not by_name)
                except StopIteration as last:
                    own_record.end(live, self._run, by_name)
                    if is_outdated:
                        yield Banner("plain", OUTDATED)
                    for name in stale:
                        cells.replace(name, Banner("plain", NOT_OF_IT))
                    stale.clear()
                    return str(last.value)
                by_name[name] = display
                if name == ANSWER and not is_own and isinstance(display, Answer | Banner):
                    display = display.with_lines(OLD_PLAN)
                is_known = name in cells.displays
                if not cells.replace(name, display):
                    is_outdated = is_outdated or is_known
                    yield display
                stale.pop(name, None)
        except RunbookError as error:
            end, see = str(error), pointers.unfinished if live.is_open(error) else pointers.nothing_done
            own_record.fail(live, self._run, self._plan, by_name, error)
            raise
        except BaseException:
            own_record.fail(live, self._run, self._plan, by_name, Interrupted(INTERRUPTED))
            raise
        finally:
            if live.has_begun:
                page.date(now())
            # A change that broke off leaves no cell that says that nothing was changed; one alone says why.
            then = NOTHING_DONE if see == pointers.nothing_done else SEE_END
            ends = chain([_why(end, then)], repeat(then))
            for name in stale:
                cells.replace(name, Banner("bad", see if name == ANSWER else next(ends)))

    def _begin(self, live: LiveChange) -> None:
        own_record.begin(live, self._state)
        live.on_change = lambda: self._run.announce(self._plan, True, live.changes)

    def _advance(self) -> None:
        if self._error:
            raise self._error
        try:
            if self._generator is None:
                if self._is_applied:
                    self._begin(self._live)
                self._generator = self._make(self._is_applied, self._confirm, self._live)
            name, display = self._next(self._generator, is_change=self._is_applied and not self._displays)
        except StopIteration:
            raise UsageError(INTERRUPTED) from None
        except RunbookError as error:
            self._error = error
            self._break_off(error)
            raise
        except BaseException:
            # An interrupt while everything is read again, or an error of another kind: nothing works on it any more.
            self._break_off(Interrupted(INTERRUPTED))
            raise
        self._displays[name] = display
        if name == ANSWER and self._is_applied:
            own_record.end(self._live, self._run, self._displays)

    def _next(self, displays: Displays, is_change: bool) -> tuple[str, object]:
        """The next display; the first of an applied plan is made of the change itself."""
        with self._run.changing() if is_change else nullcontext():
            return next(displays)

    def _break_off(self, error: RunbookError) -> None:
        """Leave the record of a change of the cells that broke off, and show the buttons that go on with it."""
        if not self._is_applied:
            return
        own_record.fail(self._live, self._run, self._plan, self._displays, error)
        state = self._live.state
        choices = self._after(state) if state and self._live.is_open(error) and can_press() else ()
        if choices:
            from IPython.display import display

            buttons = Buttons(choices, self._run.word)
            buttons.left = self._live.saved_file
            display(buttons)
