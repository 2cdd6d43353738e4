"""The registry of this process's secret values, and the masking of text that contains one."""

import os
import re
import threading
from collections.abc import Iterable

from omc_runbook.masking import channel, coredump
from omc_runbook.masking.common import SHORTEST
from omc_runbook.masking.escapes import ANSI, HIGHLIGHT
from omc_runbook.masking.index import Index
from omc_runbook.masking.span import Span

# Values that a configuration may contain and that pages, scripts and messages need.
_COMMON = frozenset({"true", "false", "null", "none", "True", "False", "None"})

_lock = threading.RLock()
_values: dict[tuple[str, str], None] = {}
_announced: set[tuple[str, str]] = set()
_public: set[str] = set(_COMMON)
_index: Index | None = Index((), _COMMON)


def label(name: str) -> str:
    """The label that replaces the value called ``name``."""
    return f"‹{re.sub(r'[^A-Za-z0-9_.:/ -]', '?', name)}›"


def register(text: str, name: str) -> None:
    """Mask ``text`` as ``name`` from now on, here and in the process that listens for values, if any.

    A text under four characters, or of blanks alone, is not registered. One under eight is only masked where no letter
    or digit is next to it, and a common word (`common.is_common`) only where it stands alone as a value. Of several
    names for one text the first is shown. From the first text on, core files are forbidden. Raises RunbookError when
    the listener is gone.
    """
    coredump.forbid()
    if len(text) < SHORTEST or text.isspace() or (text, name) in _announced:
        return
    with _lock:
        _values[text, name] = None
        # A name is not a secret, and masking what is masked already must change nothing.
        _public.add(name)
    channel.announce_value(text, name)
    _announced.add((text, name))


def leave(pairs: Iterable[tuple[str, str]]) -> None:
    """Do not mask the texts of these (text, name) pairs on their account: what has another name stays masked."""
    _announced.update(pairs)


def exempt(words: Iterable[str]) -> None:
    """Never mask these public words (names, regions, check ids), even when a secret holds the same text."""
    new = frozenset(words) - _public
    if not new:
        return
    channel.announce_words(new)
    with _lock:
        _public.update(new)


def mask(text: str, common: bool = True) -> str:
    """Return ``text`` with ``‹NAME›`` instead of each value or piece of one.

    With ``common``, values that are common words are masked where they stand alone; without, they are not masked.
    """
    return mask_spans(text, current().find(text, common))


def mask_thoroughly(text: str, common: bool = True) -> str:
    """Mask ``text`` like `mask`, and also long values that are wrapped or spread over lines."""
    return mask(mask_spans(text, current().find_scattered(text)), common)


def mask_spans(text: str, spans: Iterable[Span]) -> str:
    """Return ``text`` with each span replaced by its value's name; spans are in order and do not overlap."""
    parts, last = [], 0
    for span in spans:
        kept = HIGHLIGHT if span.is_highlighted else ANSI
        parts += [text[last : span.start], label(span.name), *kept.findall(text, span.start, span.end)]
        last = span.end
    return "".join([*parts, text[last:]]) if parts else text


def current() -> Index:
    """Return the index of the values registered so far."""
    global _index
    index = _index
    if index is None or not index.is_of(_values, _public):
        with _lock:
            values, public = [*_values], frozenset(_public)
        # Without the lock: a removed object may print meanwhile, and wait for a thread that masks what it writes.
        index = _index = Index(values, public, index)
    return index


os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
