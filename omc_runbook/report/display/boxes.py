"""Parts of HTML that several displays have: a cell's style, a region that scrolls, text as it stands, and a page."""

from __future__ import annotations

import html

CELL = "text-align: left; vertical-align: top"
"""The style of a table's cell."""
SCROLLS = "overflow-x: auto"
AS_IT_STANDS = (
    "white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere; margin: 0.4em 0; padding: 0.4em 0.8em; "
    "font-family: var(--jp-code-font-family, ui-monospace, monospace)"
)
"""The style of a <pre>: of itself, one within an output has the font of prose on nbconvert's page."""
_COMMAND = f"{AS_IT_STANDS}; background: rgba(128, 128, 128, 0.14)"


def scroll_region(name: str, content: str, style: str = SCROLLS) -> str:
    """A region for HTML that may be wider than the page: it scrolls, and a keyboard reaches it by its name."""
    return f'<div style="{style}" role="group" aria-label="{html.escape(name)}" tabindex="0">{content}</div>'


def collapsible(summary: str, content: str) -> str:
    """HTML that opens at a click on its summary, as <details>, which GitHub folds too."""
    return f'<details>\n<summary style="cursor: pointer">{html.escape(summary)}</summary>\n{content}\n</details>'


def preformatted(text: str) -> str:
    """A command, or lines, as they stand; "" for none."""
    return f'<pre style="{_COMMAND}">{html.escape(text)}</pre>' if text else ""


def whole_page(title: str, style: str, header: str, body: str) -> str:
    """A page in one file: its title as text, its own style, and what is in its header and its main part."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ background: Canvas; color: CanvasText; font: 15px/1.55 system-ui, sans-serif; }}
{style}
</style>
</head>
<body>
<header>
{header}
</header>
<main>
{body}
</main>
</body>
</html>
"""
