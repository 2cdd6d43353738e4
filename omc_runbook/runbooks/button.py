"""Buttons in JupyterLab: what `apply = True` does, what stops it, and what finishes it or takes it back."""

from __future__ import annotations

import contextvars
import html
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from types import TracebackType
from typing import Any
from uuid import uuid4

from omc_runbook.masking import kernel
from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.model.handover import OUTCOME_VARIABLE
from omc_runbook.report.archive.state import ChangeState, StateFile, Wish
from omc_runbook.report.change_state import RunningChange
from omc_runbook.report.display.banner import Banner, failure
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.display.reading import in_background
from omc_runbook.report.display.rich_display import InteractiveDisplay, RichDisplay, publish
from omc_runbook.runbooks.frontend import Frontend, is_available, make_button, make_row, show_widget, shows_widgets
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.page import ANSWER, Page
from omc_runbook.runbooks.run import Run, now

Act = Callable[[str], Generator[object, None, str]]
"""Applies the plan with the word that was typed and yields each display; returns the button's last label."""

BY_HAND = "Set apply = True above to do it"
REFRESH_SECONDS = 0.5
"""How often the progress of a change is shown anew."""
BACK, LEAVE = "Stop and put the former version back", "Stop watching (the deployment goes on)"
AGAIN = "Run all cells again to see the current state."
ELSEWHERE = f"It has ended, in another window or by another run. {AGAIN}"

Offer = Callable[[ChangeState], "Sequence[Choice]"]
"""The buttons for a change that broke off."""


Offers = Callable[[Run, ChangeState], "Sequence[Choice]"]
"""The buttons for a change of a run's environment that broke off."""


def nothing_to_offer(*_: object) -> Sequence[Choice]:
    """Offer nothing."""
    return ()


@dataclass(frozen=True)
class Choice:
    """A button: what it says, what it does, and the change that it begins, which a person may stop."""

    label: str
    act: Act
    live: LiveChange | None = None
    after: Offer = nothing_to_offer
    """The buttons instead of this one, where the change breaks off."""
    is_main: bool = True
    """Whether it stands out: what only clears the page does not."""


def offer(run: Run, choice: Choice, is_done: bool, is_empty: bool) -> Button | Listing:
    """A button that acts, which asks for a word in production; or a sentence why there is none."""
    if is_done:
        sentence = "The plan was applied above."
    elif is_empty:
        sentence = "There is nothing to do."
    elif not _is_watched():
        sentence = f"{BY_HAND}, or open this notebook in JupyterLab for a button."
    elif not can_press():
        sentence = f"{BY_HAND}; a button needs ipywidgets, which comes with omc-runbook[lab]."
    else:
        return Button([choice], run.word, run.page, run.why_word)
    return Listing("By a button", (), sentence)


def can_press() -> bool:
    """Whether buttons can be shown to a person."""
    return _is_watched() and find_spec("ipywidgets") is not None


def _is_watched() -> bool:
    return OUTCOME_VARIABLE not in os.environ and shows_widgets()


class Buttons:
    """Buttons in a row, of which one is pressed, with its displays below; unless `word` is "", that is typed first.

    `why_word` says why, as the beginning of a sentence.

    What a button does runs in a thread of its own, so that the kernel hears the buttons that stop it, and the
    interrupt. Each works once: presses that are queued meanwhile are ignored. After an error, which is shown, there are
    buttons again.
    """

    def __init__(self, choices: Sequence[Choice], word: str, page: Page | None = None, why_word: str = "") -> None:
        self._choices, self.word, self._page = tuple(choices), word, page or Page()
        self._why_word = why_word or f"This is {word}"
        self.beside: Sequence[Any] = ()
        """Widgets beside the buttons, until what they do is done."""
        self.frontend: Frontend | None = None
        """Leads to the answer when a button is pressed, and at the end."""
        self.begins_with: str | None = None
        """The word with which the first button presses itself; None where a person does that."""
        self._label, self._again = "", self._choices
        self.left: StateFile | None = None
        """The state of the change that the buttons go on with; None where they begin one."""
        self._enabled: list[Any] = []

    _name = ""
    """Its name on the page."""
    _idle = ""
    """What stands below the buttons until one is pressed: nothing, where a change has broken off."""

    def _ipython_display_(self) -> None:
        import ipywidgets

        # The field sends its text as one change when it loses focus: a press cannot come between two letters.
        self._field = ipywidgets.Text(placeholder=f"type {self.word}", continuous_update=False)
        self._status, self._row = Status(), make_row()
        self._arm(self._choices)
        show_widget(ipywidgets.VBox(self._order), f"{BY_HAND}, or run all cells in JupyterLab for a button.")
        self._area = _Area(self._idle)
        if self.begins_with is not None:
            self._field.value, button = self.begins_with, self._row.children[1 if self.word else 0]
            self._press(self._choices[0], button)

    @property
    def _order(self) -> tuple[Any, ...]:
        return self._row, self._status.box

    def hold(self) -> None:
        """Let nothing be pressed while another row's button works."""
        self._enabled = [each for each in self._row.children if not getattr(each, "disabled", True)]
        for each in self._enabled:
            each.disabled = True

    def release(self) -> None:
        """Let the same be pressed again."""
        for each in self._enabled:
            each.disabled = False

    def retire(self, widgets: Sequence[Any]) -> None:
        """Show other widgets instead of the buttons, for good."""
        self._row.children = (*widgets, *self._hidden)
        self._area.end_idle()

    def _arm(self, choices: Sequence[Choice]) -> None:
        buttons = []
        for choice in choices:
            style = "danger" if self.word else "primary"
            button = make_button(choice.label, style if choice.is_main else "")
            button.on_click(partial(self._press, choice))
            buttons.append(button)
        for other in (self._field, *self.beside):
            other.disabled = False
        self._row.children = (*((self._field,) if self.word else ()), *buttons, *self.beside, *self._hidden)

    @property
    def _hidden(self) -> tuple[Any, ...]:
        return (self.frontend.widget,) if self.frontend else ()

    def _records(self, live: LiveChange | None) -> tuple[Any, ...]:
        """A button that opens the record of what was done, where there is one."""
        if live is None or live.record is None or not is_available():
            return ()
        page, frontend, button = live.record, Frontend(), make_button("Open the record")
        button.on_click(lambda _: frontend.open_page(page))
        return button, frontend.widget

    def _lead(self) -> None:
        if self.frontend:
            self.frontend.show_answer()

    def _press(self, choice: Choice, button: Any) -> None:
        import ipywidgets

        if button.disabled:
            return
        for other in self._row.children:
            other.disabled = True
        button.description = "Working …"
        # It shows errors that are not ours as ipywidgets does.
        work = ipywidgets.CallbackDispatcher()
        work.register_callback(partial(self._work, choice))

        version = self._page.version
        self._page.hold(self._name)

        def run() -> None:
            self._label = ""
            work()
            if self._label:
                button.description, button.button_style = self._label, ""
                self._row.children = (button, *self._records(choice.live), *self._hidden)
            else:
                self._break_off(choice)
                self._row.children = (*self._row.children, *self._records(choice.live))
            self._page.go_on(self._name, version)
            if self.frontend and self.begins_with is not None and (self._label or self.left):
                self.frontend.only_plan()
            self._lead()

        if self._name == ANSWER:
            self._lead()
        _start_thread(run, "runbook")

    def _break_off(self, choice: Choice) -> None:
        """Offer buttons again, after an error: those of the change that broke off, unless that has ended since."""
        begun = choice.live.saved_file if choice.live else None
        if begun and begun.read():
            self.left = begun
        self._arm(() if self._has_ended else self._again)

    @property
    def _has_ended(self) -> bool:
        """Whether the change that the buttons go on with was finished or taken back elsewhere."""
        return self.left is not None and self.left.read() is None

    def _work(self, choice: Choice) -> None:
        with self._area, self._status.follow(choice.live) if choice.live else nullcontext():
            try:
                self._label = self._do(choice.act)
            except RunbookError as error:
                self._area.show(failure(str(error)))
                if choice.live and choice.live.state and choice.live.is_open(error):
                    self._again, self.beside = tuple(choice.after(choice.live.state)) or self._again, ()
            except BaseException as error:
                self._area.show(Banner("bad", f"Interrupted ({type(error).__name__}): run verify to see the state."))
                raise

    def _do(self, act: Act) -> str:
        if self._has_ended:
            raise UsageError(f"{ELSEWHERE} Nothing was done.")
        word = self._field.value.strip()
        if word != self.word:
            # A secret that was typed here by mistake does not stay in the state of a widget.
            self._field.value = ""
            raise UsageError(f"{self._why_word}: type {self.word} beside the button first. Nothing was done.")
        steps = act(word)
        while True:
            try:
                self._area.show(next(steps))
            except StopIteration as end:
                return str(end.value)


class Button(Buttons):
    """The last cell's button."""

    _name = ANSWER
    _idle = "Nothing was done yet."


class Panel(Buttons, InteractiveDisplay):
    """A change that is under way in this kernel or another process, or that was not finished.

    `describe` shows it, `after` has the buttons that finish it or take it back. While it runs, its file is followed.
    """

    def __init__(
        self,
        file: StateFile,
        state: ChangeState,
        describe: Callable[[ChangeState], RichDisplay],
        after: Offer,
        word: str,
        page: Page | None = None,
        why_word: str = "",
    ) -> None:
        super().__init__(after(state), word, page, why_word)
        self.left, self._state, self._describe, self._after = file, state, describe, after
        self._name = file.stem

    @property
    def _file(self) -> StateFile:
        assert self.left is not None
        return self.left

    def to_html(self) -> str:
        """Render it as HTML."""
        return self._describe(self._state).to_html()

    def to_text(self) -> str:
        """Render it as plain text."""
        return self._describe(self._state).to_text()

    def settle(self) -> None:
        """Show what is left of it, after another row's button has worked."""
        state = self._file.read()
        if state is None:
            self._close("It has ended: the last cell shows the result.")
        elif not state.is_alive:
            self._offer(state)

    def _ipython_display_(self) -> None:
        if is_available():
            self.frontend = Frontend()
        super()._ipython_display_()
        self._page.add(self._name, self)
        if self._state.is_alive:
            self._row.children = self._hidden
            _start_thread(self._follow, "status")
        else:
            self._offer(self._state)

    @property
    def _order(self) -> tuple[Any, ...]:
        return self._status.box, self._row

    def _follow(self) -> None:
        state: ChangeState | None = self._state
        while state and state.is_alive:
            self._state = state
            self._status.show_progress(state, self._file.ask)
            time.sleep(REFRESH_SECONDS)
            state = self._file.read()
        self._page.date(now())
        if state:
            self._offer(state)
        else:
            page = self._file.path.with_name(f"{self._file.stem}.html")
            self._close(f"It has ended. Run this notebook again from its first cell. Record: {page}")
            self._page.outdate(Banner("plain", f"The change by {self._state.runbook} has ended. {AGAIN}"), self._name)

    def _offer(self, state: ChangeState) -> None:
        self._state = state
        self._status.show(self.to_html())
        self._arm((*self._after(state), Choice("Dismiss", self._dismiss, is_main=False)))

    def _close(self, sentence: str) -> None:
        self._status.show(Banner("plain", sentence).to_html())
        self._arm(())

    def _break_off(self, choice: Choice) -> None:
        super()._break_off(choice)
        state = self._file.read()
        if state:
            self._offer(state)
        else:
            self._close(ELSEWHERE)

    def _dismiss(self, word: str) -> Generator[object, None, str]:
        self._file.remove()
        self._status.show("")
        yield Banner("plain", "Dismissed: the record of what was done is kept.")
        name = f"The change by {self._state.runbook} that was not finished"
        self._page.outdate(Banner("plain", f"{name} was dismissed. {AGAIN}"), self._name)
        return "Dismissed"


class Status:
    """The progress of a change and the buttons that stop it, as widgets: after a reload of the page they go on."""

    def __init__(self) -> None:
        import ipywidgets

        self._html = ipywidgets.HTML(layout=ipywidgets.Layout(overflow="auto"), tabbable=True)
        self._stops = make_row()
        self.box = ipywidgets.VBox([self._html, self._stops])
        self._is_stoppable = False

    def show(self, text: str) -> None:
        """Show HTML without buttons."""
        self._html.value, self._stops.children, self._is_stoppable = text, (), False

    def show_progress(self, state: ChangeState, ask: Callable[[Wish], None]) -> None:
        """Show a change that runs, and how to stop it."""
        self._html.value = RunningChange(state).to_html()
        wishes: list[Wish] = ["back", "leave"] if state.can_go_back else ["leave"]
        if len(self._stops.children) != len(wishes) or not self._is_stoppable:
            back = BACK if state.former else "Stop and take it back"
            labels: dict[Wish, str] = {"back": back, "leave": LEAVE}
            self._stops.children = tuple(self._stop(wish, labels[wish], ask) for wish in wishes)
            self._is_stoppable = True

    @contextmanager
    def follow(self, live: LiveChange) -> Iterator[None]:
        """Show the progress of a change in this kernel while it runs; an interrupt of the kernel stops it, too."""

        def follow(ended: threading.Event) -> None:
            while not ended.wait(REFRESH_SECONDS):
                if live.state and live.has_begun:
                    self.show_progress(live.state, live.ask)

        try:
            with in_background(follow, "status"), _interruptible(live):
                yield
        finally:
            self.show(f'<p role="status">{html.escape(live.note)}</p>' if live.note else "")

    def _stop(self, wish: Wish, label: str, ask: Callable[[Wish], None]) -> Any:
        button = make_button(label, "danger" if wish == "back" else "")

        def press(_: Any) -> None:
            for each in self._stops.children:
                each.disabled = True
            button.description = "Stopping …"
            ask(wish)

        button.on_click(press)
        return button


def _start_thread(act: Callable[[], None], name: str) -> None:
    """Call something in a thread of its own, with this one's context variables."""
    threading.Thread(target=contextvars.copy_context().run, args=(act,), daemon=True, name=name).start()


@contextmanager
def _interruptible(live: LiveChange) -> Iterator[None]:
    """Stop a change in a thread where the kernel is interrupted while it does nothing else.

    Signals are handled in the main thread, where ipykernel ignores them between two cells.
    """
    loop, former = kernel.find_ipython().kernel.io_loop, [signal.SIG_IGN]

    def stop(number: int, frame: object) -> None:
        live.ask("leave")

    def install() -> None:
        former[0] = signal.signal(signal.SIGINT, stop)  # type: ignore[call-overload]

    def uninstall() -> None:
        if signal.getsignal(signal.SIGINT) is stop:
            signal.signal(signal.SIGINT, former[0])

    loop.add_callback(install)
    try:
        yield
    finally:
        loop.add_callback(uninstall)


@dataclass
class _Output:
    """One display as HTML and as plain text, and its id if it has one."""

    name: str
    html: str
    text: str


class _Area:
    """A context manager that collects everything displayed within it into one display.

    ipywidgets.Output would ignore updates in place, such as progress, and would not be saved.
    """

    def __init__(self, idle: str) -> None:
        self._outputs: list[_Output] = []
        self._idle, self._id = idle, uuid4().hex
        publish(self._id, self._bundle)

    def end_idle(self) -> None:
        """Say no more that nothing was done."""
        self._idle = ""
        publish(self._id, self._bundle, is_update=True)

    def __enter__(self) -> None:
        self._outputs = []
        self.end_idle()
        # Hooks are those of this thread.
        _publisher().register_hook(self._take)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _publisher().unregister_hook(self._take)

    def show(self, value: object) -> None:
        """Display a value."""
        from IPython.display import display

        display(value)

    @property
    def _bundle(self) -> dict[str, str]:
        if not self._outputs:
            return {"text/plain": self._idle, "text/html": f"<p>{self._idle}</p>"}
        return {
            "text/plain": "\n\n".join(output.text for output in self._outputs),
            "text/html": "\n".join(output.html for output in self._outputs),
        }

    def _take(self, message: Any) -> Any:
        """Collect a message of IPython's display publisher; a hook returns the messages that it lets pass."""
        content = message["content"]
        name = content.get("transient", {}).get("display_id", "")
        if "data" not in content or name == self._id:
            return message
        text = content["data"].get("text/plain", "")
        new = _Output(name, content["data"].get("text/html", f"<pre>{html.escape(text)}</pre>"), text)
        if name and any(output.name == name for output in self._outputs):
            self._outputs = [new if output.name == name else output for output in self._outputs]
        elif message["header"]["msg_type"] == "display_data":
            self._outputs.append(new)
        else:
            # It replaces what a cell shows.
            return message
        publish(self._id, self._bundle, is_update=True)
        return None


def _publisher() -> Any:
    return kernel.find_ipython().display_pub
