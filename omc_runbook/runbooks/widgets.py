"""The button that does in JupyterLab what `apply = True` does, where there is somebody to press it."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Protocol

from omc_runbook.changes.add_key.executor import AddKeyResult
from omc_runbook.changes.add_key.plan import AddKeyPlan
from omc_runbook.changes.deploy.executor import SecretResult
from omc_runbook.changes.dotenv.executor import DotenvResult
from omc_runbook.changes.dotenv.plan import Setup
from omc_runbook.changes.fix.executor import FixResult
from omc_runbook.changes.fix.plan import FixPlan
from omc_runbook.changes.secret import create_plan
from omc_runbook.changes.secret.create import CreateResult
from omc_runbook.changes.secret.create_plan import Creation
from omc_runbook.changes.secret.new_values import Renewal
from omc_runbook.changes.secret.plan import Plan
from omc_runbook.changes.values import source_file
from omc_runbook.masking import kernel
from omc_runbook.model.environment import PRODUCTION, Environment
from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.report import add_key, changes, fix, local_setup
from omc_runbook.report import create as report
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Listing
from omc_runbook.runbooks.key_run import KeyRun
from omc_runbook.runbooks.local_run import LocalRun
from omc_runbook.runbooks.run import RESTORE, Run
from omc_runbook.snapshot.state import Snapshot

Act = Callable[[str], Generator[object, None, str]]
"""Does the work with the word that was typed and yields what is to be shown, as it comes.

Returns how it ended, in a few words for the button, with a mark; "" where it failed and may be tried again.
"""

BY_HAND = "Set apply = True above to do it"


def offer_apply(
    run: Run,
    snapshot: Snapshot,
    plan: Plan,
    done: SecretResult | None,
    new: Renewal | None = None,
    on_failure: str = RESTORE,
    values_from: str = "",
    keep_source: bool = False,
) -> Button | Listing:
    """Offer to carry a plan through, as `Run.apply` does it, and to show what the cells below would show of it."""

    def act(word: str) -> Generator[object, None, str]:
        carried = run.apply(plan, True, word, new, on_failure)
        assert carried is not None, "it was told to"
        cleared = source_file.consume(values_from, plan.text, keep_source) if carried.is_in_force else ""
        yield changes.carried(plan, carried, cleared)
        after = run.look()
        yield changes.holders(after)
        yield run.conclude(run.judge(snapshot, after, carried), carried, plan)
        yield changes.undo(run.environment, plan, carried)
        if carried.is_proved:
            return "✓ Done and proved"
        return "✗ It failed" if carried.undone else "? Done, and not proved"

    return offer(run, "Write, redeploy and prove", act, done is not None, plan.is_empty and not plan.consumers)


def offer_creation(run: Run, plan: Creation, done: CreateResult | None) -> Button | Listing:
    """Offer to create or restore the secret, as `Run.create` does it, and to show what the cells below would show."""

    def act(word: str) -> Generator[object, None, str]:
        created = run.create(plan, True, word)
        yield report.created(plan, created)
        after = run.look()
        yield report.placeholders(after)
        findings = create_plan.remaining(plan, run.diagnose(after, families=("secret",)))
        yield run.conclude(findings, created, plan)
        yield report.undo(plan, created)
        return "✓ Done and proved"

    return offer(run, "Do what the plan says", act, done is not None, plan.intent == "nothing")


def offer_cure(run: Run, plan: FixPlan, done: FixResult | None) -> Button | Listing:
    """Offer to carry a cure out, as `Run.cure` does it, and to show what the cells below would show."""

    def act(word: str) -> Generator[object, None, str]:
        cured = run.cure(plan, True, word)
        assert cured is not None, "it was told to"
        yield fix.done(plan, cured)
        yield run.conclude(run.diagnose(run.look(deeply=True)), cured, plan)
        yield fix.undo(plan, cured)
        if cured.is_proved:
            return "✓ Cured and proved"
        return "✗ It failed" if cured.undone else "? Done, and not proved"

    return offer(run, "Do what the plan says", act, done is not None, plan.is_empty)


def offer_setup(
    run: LocalRun, snapshot: Snapshot, plan: Setup, done: DotenvResult | None, backup: bool = False
) -> Button | Listing:
    """Offer to write the .env, as `LocalRun.apply` does it, and to show what the cells below would show of it."""

    def act(word: str) -> Generator[object, None, str]:
        made = run.apply(plan, True, word, backup)
        assert made is not None, "it was told to"
        yield local_setup.done(plan, made)
        after = run.look_again(snapshot, made)
        yield local_setup.start(made, after)
        yield run.conclude(run.diagnose(after), made, plan)
        yield local_setup.undo(plan, made)
        return "✓ Written"

    return offer(run, "Write the .env", act, done is not None, plan.is_empty)


def offer_addition(
    run: KeyRun, seen: dict[str, Snapshot], plan: AddKeyPlan | None, done: AddKeyResult | None
) -> Button | Listing:
    """Offer to add a key, as `KeyRun.apply` does it, and to show what the cells below would show of it."""

    def act(word: str) -> Generator[object, None, str]:
        made = run.apply(plan, True, word)
        assert made is not None, "it was told to"
        yield add_key.done(plan, made)
        after = run.look_again(seen, made)
        yield add_key.standing(after, plan)
        yield add_key.commit(plan)
        yield run.conclude(run.judge(plan, seen, after, made), made, plan)
        yield add_key.undo(plan, made, run.environment)
        return "✓ Added and proved" if made.is_proved else "? Added, and not proved"

    return offer(run, "Add the key", act, done is not None, plan is None or plan.is_empty)


class Begun(Protocol):
    """A run of any runbook, as far as a button has to know it."""

    @property
    def environment(self) -> Environment:
        """The environment that may have to be confirmed."""


def offer(run: Begun, label: str, act: Act, is_done: bool, is_empty: bool) -> Button | Listing:
    """A button that acts, which asks for a word in production; or the sentence why there is none."""
    if is_done:
        told = "The plan has been carried out, above."
    elif is_empty:
        told = "There is nothing to do."
    elif not kernel.allows_input():
        told = f"{BY_HAND}, or open this notebook in JupyterLab for a button."
    elif find_spec("ipywidgets") is None:
        told = f"{BY_HAND}; a button needs ipywidgets, which comes with omc-runbook[lab]."
    else:
        return Button(label, PRODUCTION if run.environment.is_production else "", act)
    return Listing("By a button", (), told)


class Button:
    """A button and, under it, what it shows; with a word that has to be typed before, unless that is "".

    Once pressed it is spent: presses that wait while it works count for nothing. After an error of ours, which it
    shows as its sentence, there is a new one.
    """

    def __init__(self, label: str, word: str, act: Act) -> None:
        self._label, self._word, self._act = label, word, act

    def _ipython_display_(self) -> None:
        import ipywidgets
        from IPython.display import display

        # Sent on leaving the field, as one change: a press cannot come in between two letters.
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
                told = self._do()
            except RunbookError as error:
                self._area.show(Banner("bad", str(error)))
                told = ""
            except BaseException as error:
                self._area.show(
                    Banner("bad", f"It broke off ({type(error).__name__}): run verify to see how it stands.")
                )
                self._arm()
                raise
        if told:
            button.description, button.button_style = told, ""
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
class _Shown:
    """What one display shows, as HTML and as plain text, and its id where it has one."""

    name: str
    html: str
    text: str


class _Area:
    """One display that holds, one under the other, all that is displayed while it is entered.

    A widget for outputs would ignore what changes in place, as progress does, and would not be saved.
    """

    def __init__(self) -> None:
        from IPython.display import display

        self._shown: list[_Shown] = []
        self._handle = display(self, display_id=True)

    def __enter__(self) -> None:
        self._shown = []
        self._handle.update(self)
        _publisher().register_hook(self._take)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _publisher().unregister_hook(self._take)

    def show(self, thing: object) -> None:
        """Display a thing, here while entered."""
        from IPython.display import display

        display(thing)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        if not self._shown:
            return {"text/plain": "Nothing was done yet.", "text/html": "<p>Nothing was done yet.</p>"}
        return {
            "text/plain": "\n\n".join(shown.text for shown in self._shown),
            "text/html": "\n".join(shown.html for shown in self._shown),
        }

    def _take(self, message: Any) -> Any:
        """Keep what would be displayed elsewhere; IPython's hooks return the messages that are to go on."""
        content = message["content"]
        name = content.get("transient", {}).get("display_id", "")
        if "data" not in content or name == self._handle.display_id:
            return message
        text = content["data"].get("text/plain", "")
        new = _Shown(name, content["data"].get("text/html", f"<pre>{html.escape(text)}</pre>"), text)
        if name and any(shown.name == name for shown in self._shown):
            self._shown = [new if shown.name == name else shown for shown in self._shown]
        elif message["header"]["msg_type"] == "display_data":
            self._shown.append(new)
        self._handle.update(self)
        return None


def _publisher() -> Any:
    return sys.modules["IPython"].get_ipython().display_pub
