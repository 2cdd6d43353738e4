"""The base of everything that Jupyter shows: HTML for a browser, plain text for a terminal; and several in one."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from omc_runbook.model.letters import printable
from omc_runbook.report.display.boxes import collapsible


def _ignore(display: RichDisplay) -> None:
    """Note nothing."""


_note: Callable[[RichDisplay], None] = _ignore

relays: list[Callable[[str, dict[str, str]], None]] = []
"""What replaces displays, by id and renderings, on a page that was opened anew."""


class RichDisplay(ABC):
    """An object that renders itself; styles are inline, because Jupyter strips style sheets from untrusted notebooks.

    See https://ipython.readthedocs.io/en/stable/config/integrating.html#custom-methods
    """

    display_id = ""
    """With one, Jupyter can replace what a cell shows, by `update`."""

    def __init_subclass__(cls, **options: object) -> None:
        """Make both renderings of each display show unprintable characters as their numbers."""
        super().__init_subclass__(**options)
        for name in ("to_html", "to_text"):
            if name in vars(cls):
                setattr(cls, name, _printable(vars(cls)[name]))

    @abstractmethod
    def to_html(self) -> str:
        """Render as HTML."""

    @abstractmethod
    def to_text(self) -> str:
        """Render as plain text."""

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Both renderings, by media type, as IPython asks for them."""
        return {"text/plain": self.to_text(), "text/html": self.to_html()}

    def _ipython_display_(self) -> None:
        if not self.display_id:
            _note(self)
        if not self.display_id:
            raise NotImplementedError  # IPython then asks for the bundle.
        publish(self.display_id, self._repr_mimebundle_())


def _printable(render: Callable[[Any], str]) -> Callable[[Any], str]:
    @wraps(render)
    def show(display: Any) -> str:
        return printable(render(display))

    return show


def watch(note: Callable[[RichDisplay], None]) -> None:
    """Call `note`, instead of what was called so far, with each display without an id that is to be shown.

    It may give it an id, so that it can be replaced.
    """
    global _note
    _note = note


class InteractiveDisplay(RichDisplay):
    """A display with buttons, where a person can press them."""


def is_in_ipython() -> bool:
    """Whether this runs in IPython, which shows displays."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def is_in_voila() -> bool:
    """Whether Voilà shows the notebook as a page, to a person whom nothing can be asked."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")


def update(display_id: str, value: object) -> bool:
    """Replace what cells show under an id; False outside Jupyter."""
    if not isinstance(value, RichDisplay) or not is_in_ipython():
        return False
    publish(display_id, value._repr_mimebundle_(), is_update=True)
    return True


def publish(display_id: str, bundle: dict[str, str], *, is_update: bool = False) -> None:
    """Show a display's renderings under an id, or replace what is shown under it.

    JupyterLab forgets the ids when its page is reloaded: where `relays` can replace them, the metadata has the id, too.
    """
    from IPython.display import display

    metadata = {"display_id": display_id} if relays else {}
    display(bundle, display_id=display_id, raw=True, update=is_update, metadata=metadata)
    for relay in relays if is_update else ():
        relay(display_id, bundle)


class Group(RichDisplay):
    """Displays from top to bottom; those that are None are left out."""

    def __init__(self, *parts: RichDisplay | None) -> None:
        self.parts = tuple(part for part in parts if part is not None)

    def to_html(self) -> str:
        return "\n".join(part.to_html() for part in self.parts)

    def to_text(self) -> str:
        return "\n\n".join(part.to_text() for part in self.parts)


class Collapsible(Group):
    """Displays that open at a click on the summary; as plain text they follow it."""

    def __init__(self, summary: str, parts: Iterable[RichDisplay]) -> None:
        super().__init__(*parts)
        self.summary = summary

    def to_html(self) -> str:
        return collapsible(self.summary, super().to_html())

    def to_text(self) -> str:
        return f"{self.summary}\n\n{super().to_text()}"
