"""The form above a notebook's parameters: pickers of what is there, which set the parameters and plan again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.model.letters import in_a_line
from omc_runbook.model.parameters import is_secret_in
from omc_runbook.runbooks import own_parameters
from omc_runbook.runbooks.frontend import (
    FULL_WIDTH,
    NARROW,
    Frontend,
    is_available,
    make_button,
    make_group_name,
    make_row,
    show_widget,
)
from omc_runbook.runbooks.pickers import Picker
from omc_runbook.runbooks.run import Run

BY_HAND = "Set the parameters in their cell, and run all cells."

IS_SECRET = "looks like a secret, and parameters are saved: values_from names where a value is. It was not set."

OUTDATED = (
    "A cell above has not given this for these parameters: it stopped, or was not run. Correct what it says, if"
    " anything, and run all cells."
)

INTERRUPTED = "Interrupted. To begin again, run all cells."

_BEFORE_CELL, _AFTER_CELL = "pre_run_cell", "post_run_cell"
_PARAMETERS = re.compile(r"\s*environments?: str = ")
"""How the parameters cell of each notebook with a form begins."""


class Outdated:
    """Stands for what an earlier run of the cells gave, until its cell gives it anew.

    JupyterLab sends all cells at once, and a kernel runs those that arrive after it has reported an error: without this
    they would go on with the run, the snapshot and the plan of other parameters.
    """

    def __getattr__(self, name: str) -> Any:
        # Whoever lists variables, such as a debugger, asks for names that begin so.
        raise AttributeError(name) if name.startswith("_") else UsageError(OUTDATED)


def show_interrupt(shell: Any, kind: type[BaseException], interrupt: BaseException, *_: object, **__: object) -> None:
    """Show an interrupt in a sentence: its traceback, of threads and sockets, would be pages of other libraries' code.

    IPython calls this as a method of its shell.
    """
    shell._showtraceback(kind, interrupt, [f"{kind.__name__}: {in_a_line(str(interrupt)) or INTERRUPTED}"])


def form(action: str = "Plan again") -> Form:
    """An empty form, whose button says `action` and runs the notebook with the parameters as they are."""
    return Form(action)


class Form:
    """Where a person is, pickers in one row; it is empty until `show` is called, and headlessly it shows nothing."""

    def __init__(self, action: str) -> None:
        self._action = action
        self._controls: dict[str, _Control] = {}
        self._box: Any = None

    def show(self, *pickers: Picker) -> None:
        """Fill the form, or bring it up to date; nothing runs because of it. Pickers that it has already stay."""
        if self._box is None:
            return
        if not {picker.parameter for picker in pickers} <= self._controls.keys():
            self._controls = {picker.parameter: _Control(picker, self._frontend) for picker in pickers}
            self._box.children = (
                *(control.widget for control in self._controls.values()),
                self._button(),
                self._frontend.widget,
            )
        for picker in pickers:
            self._controls[picker.parameter].fill(picker)

    def _button(self) -> Any:
        button = make_button(self._action)
        button.on_click(lambda _: self._frontend.plan({}))
        return button

    def _before_cell(self, info: Any) -> None:
        from IPython import get_ipython

        names = get_ipython().user_ns
        cell = info.raw_cell or ""
        assigned = own_parameters.set_by(cell)
        declared = own_parameters.declared_in(names, assigned) if assigned else frozenset()
        # A person may have misspelt the first, by which the cell is known; a cell of half of them or fewer is another.
        is_whole = 2 * len(declared & assigned) > len(declared)
        if not (is_whole or _PARAMETERS.match(cell)):
            return
        for name, value in tuple(names.items()):
            is_ours = type(value).__module__.partition(".")[0] == __package__.partition(".")[0]
            if is_ours and not name.startswith("_") and not isinstance(value, Form | own_parameters.Forgotten):
                names[name] = Outdated()
            if isinstance(value, Run):
                # Its button stays on the page.
                value.page.cells.is_outdated = True
        if is_whole:
            own_parameters.forget(names, declared, assigned)

    def _after_cell(self, result: Any) -> None:
        if self._box is not None and isinstance(result.error_in_exec, (RunbookError, KeyboardInterrupt)):
            self._frontend.repeat_error()

    def watch_cells(self) -> None:
        """Be told of each cell, also where no form can be shown: there, too, cells are run one by one."""
        from IPython import get_ipython

        shell = get_ipython()
        if shell is None:
            return
        for event, handler in ((_BEFORE_CELL, self._before_cell), (_AFTER_CELL, self._after_cell)):
            for callback in tuple(shell.events.callbacks[event]):
                if isinstance(getattr(callback, "__self__", None), Form):
                    shell.events.unregister(event, callback)
            shell.events.register(event, handler)
        if is_available():
            shell.set_custom_exc((KeyboardInterrupt,), show_interrupt)

    def _ipython_display_(self) -> None:
        self.watch_cells()
        if not is_available():
            return
        self._frontend = Frontend()
        self._controls = {}
        self._box = make_row((self._frontend.widget,), align_items="center", grid_gap="0.2em 1em")
        show_widget(self._box, BY_HAND)


class _Control:
    """The widget of one picker, which sets its parameter as soon as something else is chosen."""

    def __init__(self, picker: Picker, frontend: Frontend) -> None:
        import ipywidgets

        self._picker, self._frontend = picker, frontend
        self._is_filling = False
        self._boxes: dict[str, Any] = {}
        if picker.is_list:
            self.widget: Any = make_row(align_items="center", grid_gap="0 0.8em")
            return
        style, layout = {"description_width": "initial"}, ipywidgets.Layout(width="auto", max_width=FULL_WIDTH)
        if isinstance(picker.value, bool):
            self.widget = ipywidgets.Checkbox(description=picker.parameter, indent=False, layout=layout)
        elif picker.labels:
            self.widget = ipywidgets.Dropdown(description=picker.parameter, style=style, layout=layout)
        else:
            self.widget = ipywidgets.Text(
                description=picker.parameter,
                placeholder=picker.hint,
                continuous_update=False,
                style=style,
                layout=ipywidgets.Layout(width="22em", max_width=FULL_WIDTH, flex="0 0 auto"),
            )
        self.widget.add_class(NARROW)
        self.widget.observe(lambda change: self._choose(change["new"]), "value")

    def fill(self, picker: Picker) -> None:
        """Show what can be chosen now, and what is."""
        self._picker, self._is_filling = picker, True
        try:
            if picker.is_list:
                self._fill_list(picker)
                return
            if picker.labels:
                options = [(label, value) for value, label in picker.options.items()]
                if list(self.widget.options) != options:
                    self.widget.options = options
            self.widget.value = picker.value
        finally:
            self._is_filling = False

    def _fill_list(self, picker: Picker) -> None:
        import ipywidgets

        if self._boxes.keys() != picker.options.keys():
            layout = ipywidgets.Layout(width="auto")
            self._boxes = {name: ipywidgets.Checkbox(indent=False, layout=layout) for name in picker.options}
            for box in self._boxes.values():
                box.observe(lambda _: self._choose(",".join(self._ticked())), "value")
            name = picker.parameter
            self.widget.children = (ipywidgets.Label(name), *self._boxes.values(), make_group_name(name))
        for name, box in self._boxes.items():
            box.description, box.value = picker.options[name], name in picker.chosen

    def _ticked(self) -> Iterable[str]:
        return (name for name, box in self._boxes.items() if box.value)

    def _choose(self, value: str | bool) -> None:
        if self._is_filling:
            return
        name = self._picker.parameter
        if isinstance(value, str) and not self._picker.labels and is_secret_in(name, value):
            self._frontend.say(f"{name} {IS_SECRET}")
            self.fill(self._picker)
        else:
            self._frontend.plan({name: value})
