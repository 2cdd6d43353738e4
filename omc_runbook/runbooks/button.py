"""The button that does in JupyterLab what `apply = True` does."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib.util import find_spec
from types import TracebackType
from typing import Any

from omc_runbook.masking import kernel
from omc_runbook.model.environment import PRODUCTION
from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Listing
from omc_runbook.runbooks.run import Run

Act = Callable[[str], Generator[object, None, str]]
"""Applies the plan with the word that was typed and yields each display; returns the button's last label."""

BY_HAND = "Set apply = True above to do it"


def offer(run: Run, label: str, act: Act, is_done: bool, is_empty: bool) -> Button | Listing:
    """A button that acts, which asks for a word in production; or a sentence why there is none."""
    if is_done:
        sentence = "The plan was applied above."
    elif is_empty:
        sentence = "There is nothing to do."
    elif not kernel.allows_input():
        sentence = f"{BY_HAND}, or open this notebook in JupyterLab for a button."
    elif find_spec("ipywidgets") is None:
        sentence = f"{BY_HAND}; a button needs ipywidgets, which comes with omc-runbook[lab]."
    else:
        return Button(label, PRODUCTION if run.environment.is_production else "", act)
    return Listing("By a button", (), sentence)


class Button:
    """A button with its displays below; unless `word` is "", that has to be typed first.

    It works once: presses that are queued meanwhile are ignored. After an error, which it shows, it can be pressed
    again.
    """

    def __init__(self, label: str, word: str, act: Act) -> None:
        self._label, self._word, self._act = label, word, act

    def _ipython_display_(self) -> None:
        import ipywidgets
        from IPython.display import display

        # The field sends its text as one change when it loses focus: a press cannot come between two letters.
        self._field = ipywidgets.Text(placeholder=f"type {self._word}", continuous_update=False)
        self._row = ipywidgets.HBox()
        self._arm()
        display(self._row._repr_mimebundle_() | {"text/plain": f"{BY_HAND}, or press the button."}, raw=True)
        self._area = _Area()

    def _arm(self) -> None:
        import ipywidgets

        style, layout = "danger" if self._word else "primary", ipywidgets.Layout(width="auto")
        button = ipywidgets.Button(description=self._label, button_style=style, layout=layout)
        button.on_click(self._press)
        self._row.children = (self._field, button) if self._word else (button,)

    def _press(self, button: Any) -> None:
        button.on_click(self._press, remove=True)
        button.disabled, button.description = True, "Working …"
        with self._area:
            try:
                label = self._do()
            except RunbookError as error:
                self._area.show(Banner("bad", str(error)))
                label = ""
            except BaseException as error:
                self._area.show(Banner("bad", f"Interrupted ({type(error).__name__}): run verify to see the state."))
                self._arm()
                raise
        if label:
            button.description, button.button_style = label, ""
        else:
            self._arm()

    def _do(self) -> str:
        word = self._field.value.strip()
        if word != self._word:
            raise UsageError(f"This is {self._word}: type {self._word} beside the button first. Nothing was done.")
        steps = self._act(word)
        while True:
            try:
                self._area.show(next(steps))
            except StopIteration as end:
                return str(end.value)


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

    def __init__(self) -> None:
        from IPython.display import display

        self._outputs: list[_Output] = []
        self._handle = display(self, display_id=True)

    def __enter__(self) -> None:
        self._outputs = []
        self._handle.update(self)
        _publisher().register_hook(self._take)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _publisher().unregister_hook(self._take)

    def show(self, value: object) -> None:
        """Display a value."""
        from IPython.display import display

        display(value)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        if not self._outputs:
            return {"text/plain": "Nothing was done yet.", "text/html": "<p>Nothing was done yet.</p>"}
        return {
            "text/plain": "\n\n".join(output.text for output in self._outputs),
            "text/html": "\n".join(output.html for output in self._outputs),
        }

    def _take(self, message: Any) -> Any:
        """Collect a message of IPython's display publisher; a hook returns the messages that it lets pass."""
        content = message["content"]
        name = content.get("transient", {}).get("display_id", "")
        if "data" not in content or name == self._handle.display_id:
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
        self._handle.update(self)
        return None


def _publisher() -> Any:
    return sys.modules["IPython"].get_ipython().display_pub
