"""The last part of a runbook: its displays, which cells show one by one and the button in JupyterLab all at once."""

from __future__ import annotations

from collections.abc import Callable, Generator

from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Listing
from omc_runbook.runbooks.button import Button, offer
from omc_runbook.runbooks.run import Run

Displays = Generator[tuple[str, object], None, str]
"""Does the work and yields each display with its name, as it comes; returns how it ended, in a few words."""

ENDED = "The change was broken off: run verify to see how it stands, and this notebook again from its first cell."

BEFORE = "The cells below still tell of the run before this."


class Closing:
    """The displays that end a runbook, each made once and in order, by a function that also does the work.

    The cells show them for the `apply` and `confirm` of the parameters. The button calls the same function with
    True and the word that was typed.
    """

    def __init__(
        self,
        run: Run,
        label: str,
        make: Callable[[bool, str], Displays],
        apply: bool,
        confirm: str,
        is_empty: bool,
    ) -> None:
        self._run, self._label, self._make = run, label, make
        self._is_applied, self._is_empty = apply, is_empty
        self._displays = make(apply, confirm)
        self._shown: dict[str, object] = {}
        self._error: RunbookError | None = None

    def show(self, name: str) -> object:
        """The display of that name, made now unless it was; raises what the work raises, and again when asked anew."""
        while name not in self._shown:
            self._advance()
        return self._shown[name]

    def button(self) -> Button | Listing:
        """A button that does the work, or the sentence why there is none."""
        return offer(self._run, self._label, self._press, self._is_applied, self._is_empty)

    def _press(self, word: str) -> Generator[object, None, str]:
        displays = self._make(True, word)
        while True:
            try:
                _, display = next(displays)
            except StopIteration as end:
                yield Banner("plain", BEFORE)
                return str(end.value)
            yield display

    def _advance(self) -> None:
        if self._error:
            raise self._error
        try:
            name, display = next(self._displays)
        except StopIteration:
            raise UsageError(ENDED) from None
        except RunbookError as error:
            self._error = error
            raise
        self._shown[name] = display
