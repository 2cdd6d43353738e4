"""The last part of a runbook: its displays, which cells show one by one and the button in JupyterLab all at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from uuid import uuid4

from omc_runbook.changes.engine.result import ChangeResult, Plan
from omc_runbook.model.errors import Interrupted, RunbookError, UsageError
from omc_runbook.report.answer import Answer
from omc_runbook.report.archive.state import ChangeState
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.display.rich_display import RichDisplay, update
from omc_runbook.runbooks import own_record
from omc_runbook.runbooks.button import Button, Buttons, Offer, can_press, no_choice, offer, word_of
from omc_runbook.runbooks.last_word import LastWord
from omc_runbook.runbooks.live import Live
from omc_runbook.runbooks.run import Run

Displays = Generator[tuple[str, object], None, str]
"""Applies the plan and yields each display with its name; returns how it ended, in a few words for the button."""

INTERRUPTED = "The change was interrupted: run verify to see its state, and this notebook again from its first cell."

UNDER_WAY = "Under way: what is done shows below, and the answer then stands here."

UNDER_WAY_BELOW = "Under way: the last cell shows how far it is, and has the buttons that stop it."

NOT_BEGUN = "Not begun: the last cell begins it, because apply is set, and has the buttons that stop it."

SEE_END = "The last cell says what was done, and how to go on."

SEE_BELOW = "It is not finished. Why, what was done, and how to go on stands below."

WHY_BELOW = "Nothing was done. Why stands below."

OUTDATED = "The cells above still show the run before this."


def stopped_label(result: ChangeResult | None) -> str:
    """The button's last label for a change that a person stopped; "" for another."""
    if result is None or not result.is_cancelled:
        return ""
    return "✓ Stopped and put back" if result.is_back else "✗ Stopped, and not put back everywhere"


def button_label(act: str, services: Sequence[str], environment: str) -> str:
    """What a button does, to what: "Write SECRET_KEY and redeploy backend, worker in staging"."""
    redeploy = f"redeploy {shorten(services)}" if services else ""
    doing = " and ".join(filter(None, (act, redeploy)))
    return f"{doing[:1].upper()}{doing[1:]} in {environment}"


def shorten(names: Sequence[str]) -> str:
    """The names as a list, of which more than three are counted."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


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
        make: Callable[[bool, str, Live], Displays],
        apply: bool,
        confirm: str,
        is_empty: bool,
        state: ChangeState | None = None,
        after: Offer = no_choice,
    ) -> None:
        self._run, self._plan, self._label, self._make = run, plan, label, make
        self._is_applied, self._is_empty = apply, is_empty
        self._state, self._after = state or run.state(), after
        self._live, self._confirm = Live(), confirm
        self._is_waiting, self._has_begun = apply and not is_empty and can_press(), False
        self._generator: Displays | None = None
        self._displays: dict[str, object] = {}
        self._id = uuid4().hex
        self._error: RunbookError | None = None
        run.announce(plan, apply)

    def show(self, name: str) -> object:
        """The display of that name; raises what applying the plan raises, on every call."""
        if self._is_waiting and name not in self._displays:
            self._displays[name] = Banner("plain", NOT_BEGUN)
        return self.make(name)

    def make(self, name: str) -> object:
        """The display of that name, as `show` gives it, made at once if it is not there."""
        while name not in self._displays:
            self._advance()
        display = self._displays[name]
        if isinstance(display, RichDisplay):
            display.display_id = self._id_of(name)
        return display

    def answer(self) -> LastWord:
        """The answer, and below it the button that applies the plan, where there is one."""
        answer, button = self.show("answer"), self.button()
        assert isinstance(answer, RichDisplay)
        links = None if isinstance(answer, Answer) else ()
        return LastWord(answer, button if isinstance(button, Button) else None, links)

    def button(self) -> Button | Listing:
        """A button that applies the plan, or a sentence why there is none."""
        is_done = self._has_begun if self._is_waiting else self._is_applied
        button = offer(self._run, self._label, self.press, is_done, self._is_empty, self._live, self._after)
        if self._is_waiting and isinstance(button, Button):
            self._has_begun, button.begins_with = True, self._confirm
        return button

    def press(self, word: str, live: Live | None = None) -> Generator[object, None, str]:
        """Apply the plan with the word that was typed, and yield what is new; returns the button's last label."""
        live = live or self._live
        own_record.begin(live, self._state)
        displays, is_outdated, end, see_below = self._make(True, word, live), False, INTERRUPTED, SEE_BELOW
        stale, shown = dict.fromkeys(self._displays), dict[str, object]()
        for name in stale:
            self._replace(name, Banner("plain", UNDER_WAY if name == "answer" else UNDER_WAY_BELOW))
        try:
            while True:
                try:
                    name, display = next(displays)
                except StopIteration as last:
                    own_record.end(live, self._run, shown)
                    if is_outdated:
                        yield Banner("plain", OUTDATED)
                    stale.clear()
                    return str(last.value)
                if name not in self._displays or not update(self._id_of(name), display):
                    is_outdated = is_outdated or name in self._displays
                    yield display
                stale.pop(name, None)
                self._displays[name] = shown[name] = display
        except RunbookError as error:
            end, see_below = str(error), SEE_BELOW if live.is_open(error) else WHY_BELOW
            own_record.fail(live, self._run, self._plan, shown, error)
            raise
        except BaseException:
            own_record.fail(live, self._run, self._plan, shown, Interrupted(INTERRUPTED))
            raise
        finally:
            # A change that broke off leaves no cell that says that nothing was changed.
            for name in stale:
                why = f"{end.partition('. ')[0].rstrip('.')}. {SEE_END}"
                self._replace(name, Banner("bad", see_below if name == "answer" else why))

    def _replace(self, name: str, banner: Banner) -> None:
        self._displays[name] = banner
        update(self._id_of(name), banner)

    def _id_of(self, name: str) -> str:
        return f"{self._id}-{name}"

    def _advance(self) -> None:
        if self._error:
            raise self._error
        try:
            if self._generator is None:
                if self._is_applied:
                    own_record.begin(self._live, self._state)
                self._generator = self._make(self._is_applied, self._confirm, self._live)
            name, display = next(self._generator)
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
        if name == "answer" and self._is_applied:
            own_record.end(self._live, self._run, self._displays)

    def _break_off(self, error: RunbookError) -> None:
        """Leave the record of a change of the cells that broke off, and show the buttons that go on with it."""
        if not self._is_applied:
            return
        own_record.fail(self._live, self._run, self._plan, self._displays, error)
        state = self._live.state
        choices = self._after(state) if state and self._live.is_open(error) and can_press() else ()
        if choices:
            from IPython.display import display

            display(Buttons(choices, word_of(self._run)))
