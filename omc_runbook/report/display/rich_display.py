"""The base of everything that Jupyter shows: HTML for a browser, plain text for a terminal."""

from __future__ import annotations

from abc import ABC, abstractmethod


class RichDisplay(ABC):
    """An object that renders itself; styles are inline, because Jupyter strips style sheets from untrusted notebooks.

    See https://ipython.readthedocs.io/en/stable/config/integrating.html#custom-methods
    """

    @abstractmethod
    def to_html(self) -> str:
        """Render as HTML."""

    @abstractmethod
    def to_text(self) -> str:
        """Render as plain text."""

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Both renderings, by media type, as IPython asks for them."""
        return {"text/plain": self.to_text(), "text/html": self.to_html()}
