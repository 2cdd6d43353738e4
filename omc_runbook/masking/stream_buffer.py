"""The end of a stream that may still turn into a value, held back until that is known."""

from omc_runbook.masking import registry
from omc_runbook.masking.span import Span

_TELLING = 4


class Tail:
    """What one stream has said last: the start of a value, perhaps, and how much of it is out already.

    What is out is remembered, so that a value said one character at a time is told even when each character
    had to be let out before the next one came.
    """

    def __init__(self) -> None:
        self._said = ""
        self._out = 0
        self._name = ""
        self._named = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held back."""
        return self._out >= len(self._said)

    def feed(self, text: str) -> str:
        """Take what the stream says and return, masked, what can be shown of all that it has said."""
        text = self._said + text
        index = registry.current()
        spans = index.find(text)
        rest = index.unfinished(text)
        end = max([rest.start, self._out, *(span.end for span in spans if span.start < rest.start)])
        shown = [span for span in spans if self._out < span.end <= end]
        begin = self._out
        if shown and shown[0].start < begin:
            # Part of this value is out: a second name would say how many times it was let out.
            first = shown.pop(0)
            begin = first.end
        said = registry.mask_spans(text[begin:end], [Span(s.start - begin, s.end - begin, s.name) for s in shown])
        if begin > self._out and not self._named:
            said = registry.label(first.name) + said
        self._named = self._named and rest.start == 0
        self._said, self._out, self._name = text[rest.start :], end - rest.start, rest.name
        return said

    def flush(self) -> str:
        """Return what was held back: as it is when it is short enough to be chance, else masked."""
        held = self._said[self._out :]
        self._out = len(self._said)
        if not held or len(self._said) < _TELLING:
            return held
        if self._named:
            return ""
        self._named = True
        whole = [span.name for span in registry.current().find(self._said) if span.end == len(self._said)]
        return registry.label(whole[0] if whole else self._name)
