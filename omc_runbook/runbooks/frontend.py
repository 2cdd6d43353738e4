"""What only the browser can do for a kernel: set parameters and run cells, open a notebook, copy a text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omc_runbook.headless import lab
from omc_runbook.masking import kernel
from omc_runbook.model.errors import UsageError
from omc_runbook.model.handover import NOTEBOOK_VARIABLE
from omc_runbook.model.parameters import literal
from omc_runbook.report.display.rich_display import relays
from omc_runbook.report.index import ANSWER, Place

_SCRIPT = Path(__file__).with_suffix(".js")
FULL_WIDTH = "calc(100% - 4px)"
"""As wide as the page: widgets have margins."""
_WRAPPED, NARROW = "omc-wrapped", "omc-narrow"
_STYLE = f"""
.{_WRAPPED} {{ white-space: normal !important; height: auto !important; min-height: 28px; }}
.{NARROW} select, .{NARROW} input {{ min-width: 0 !important; }}
"""
_DRY = {"apply": literal(False), "confirm": literal("")}
"""A choice in the form only plans, even if the parameters cell has apply = True."""


def is_available() -> bool:
    """Whether a person uses a front end that shows widgets, and the packages for them are installed."""
    return shows_widgets() and all(find_spec(name) for name in ("ipywidgets", "anywidget"))


def shows_widgets() -> bool:
    """Whether a person looks at a page that shows widgets: in a kernel of a Jupyter server or of VS Code.

    A console can ask for input too, but shows no widgets.
    """
    if not kernel.allows_input():
        return False
    if NOTEBOOK_VARIABLE in os.environ:
        return True
    shell = kernel.find_ipython()
    return shell is not None and "__vsc_ipynb_file__" in shell.user_ns


def make_button(label: str, style: str = "") -> Any:
    """A button that is as wide as its label, which wraps where the page is narrower."""
    import ipywidgets

    layout = ipywidgets.Layout(width="auto", flex="0 1 auto", max_width=FULL_WIDTH)
    button = ipywidgets.Button(description=label, button_style=style, layout=layout)
    button.add_class(_WRAPPED)
    return button


def make_row(children: Iterable[Any] = (), **layout: str) -> Any:
    """A row of widgets, which goes on below where the page is narrower."""
    import ipywidgets

    return ipywidgets.HBox([*children], layout=ipywidgets.Layout(flex_flow="row wrap", **layout))


def show_widget(widget: Any, text: str) -> None:
    """Show a widget, and where a page shows no widgets a text."""
    from IPython.display import display

    display(widget._repr_mimebundle_() | {"text/plain": text}, raw=True)


def make_group_name(text: str) -> Any:
    """A widget that is not seen, and tells a screen reader what the box of widgets that it is put into is for."""
    import anywidget
    from traitlets import Unicode

    members = {"_esm": Path(__file__).with_name("group_name.js"), "text": Unicode(text).tag(sync=True)}
    return type("GroupName", (anywidget.AnyWidget,), members)()


class Frontend:
    """A widget that acts in the browser, and says in a line how that went."""

    def __init__(self) -> None:
        import anywidget
        from traitlets import Bool, Unicode

        members = {
            **{"_esm": _SCRIPT, "_css": _STYLE, "page": Unicode().tag(sync=True)},
            **{name: Bool(default_value=False).tag(sync=True) for name in ("has_stopped", "is_reopened")},
        }
        self.widget: Any = type("FrontendWidget", (anywidget.AnyWidget,), members)()
        relays.append(self.replace)

    def plan(self, parameters: Mapping[str, str | bool]) -> None:
        """Set parameters in their cell, and run that and all below it, without `apply`."""
        literals = {name: literal(value) for name, value in parameters.items()} | _DRY
        lines = ", ".join(f"{name} = {literals[name]}" for name in parameters)
        text = f"{'Set ' + lines + ' in the parameters cell, and run' if lines else 'Run'} all cells."
        self._send(act="plan", parameters=literals, text=text)

    def only_plan(self) -> None:
        """Set `apply` and `confirm` back in their cell, so that the next run of all cells applies nothing again."""
        self._send(act="set", parameters=_DRY)

    def open(self, runbook: str, parameters: Mapping[str, str], leads_to: Place = ANSWER) -> None:
        """Open a new copy of a runbook's notebook with these parameters at a place.

        It is run first, which applies nothing, unless it is opened at its parameters.
        """
        try:
            name = lab.fill_in(Path.cwd(), runbook, parameters).name
        except UsageError as error:
            self.say(str(error))
        else:
            self._send(
                act="open", name=name, leads_to=leads_to, text=f"Parameters are set in {name}, beside this notebook."
            )

    def say(self, text: str) -> None:
        """Say a sentence."""
        self._send(act="say", text=text)

    def repeat_error(self) -> None:
        """Show the error of a cell also in the last one, which does not run any more.

        It may come before the page shows the widget, which a message would not reach.
        """
        self.widget.has_stopped = False
        self.widget.has_stopped = True

    def show_answer(self) -> None:
        """Scroll to the last cell."""
        self._send(act="answer")

    def replace(self, display_id: str, bundle: Mapping[str, str]) -> None:
        """Replace what cells show under an id, where the page was opened anew and knows none."""
        if self.widget.is_reopened:
            self._send(act="replace", id=display_id, data=dict(bundle))

    def copy(self, text: str) -> None:
        """Copy a text to the clipboard; where the browser refuses, show it."""
        self._send(act="copy", text=text)

    def open_page(self, path: Path) -> None:
        """Open a record's page in a tab of its own: a browser opens no file from JupyterLab's page."""
        try:
            page = path.read_text(encoding="utf-8")
        except OSError as error:
            self.say(f"{path} cannot be read: {error.strerror}.")
        else:
            text = f"The browser opened no tab for {path}: allow this page to open tabs, or open that file."
            self._send(act="page", name=path.name, page=page, text=text)

    def _send(self, **message: object) -> None:
        self.widget.send(message)
