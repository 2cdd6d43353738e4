"""A buffer that holds back the end of a stream while it may still become a value."""

from omc_runbook.masking import registry
from omc_runbook.masking.escapes import ANSI_SO_FAR

_DISTINCTIVE = 4


class StreamBuffer:
    """The end of one stream's text: perhaps the start of a value, and how much of it was released already.

    Released text is remembered, so that a value written one character at a time is recognised even when each character
    had to be released before the next one came.
    """

    def __init__(self) -> None:
        self._pending = ""
        self._released = 0
        self._value, self._name = 0, ""
        self._is_labelled = False

    @property
    def is_empty(self) -> bool:
        """Whether no text is held back."""
        return self._released >= len(self._pending)

    def feed(self, text: str) -> str:
        """Append the stream's ``text`` and return, masked, what can be released."""
        text = self._pending + text
        index = registry.current()
        spans = index.find(text)
        rest = index.unfinished(text)
        end = max([rest.start, self._released, *(span.end for span in spans if span.start < rest.start)])
        new_spans = [span for span in spans if self._released < span.end <= end]
        begin = self._released
        if new_spans and new_spans[0].start < begin:
            # Part of this value was released: a second label would show how often.
            first = new_spans.pop(0)
            begin = first.end
        shifted = [span._replace(start=span.start - begin, end=span.end - begin) for span in new_spans]
        masked = registry.mask_spans(text[begin:end], shifted)
        if begin > self._released and not self._is_labelled:
            masked = registry.label(first.name) + masked
        self._is_labelled = self._is_labelled and rest.start < self._released
        self._pending, self._released = text[rest.start :], end - rest.start
        self._value, self._name = rest.value, rest.name
        return masked

    def flush(self) -> str:
        """Return what was held back: unchanged where it is too short to be distinctive, or public, else masked."""
        if self.is_empty:
            return ""
        rest, released = self._pending[self._released :], ANSI_SO_FAR.sub("", self._pending[: self._released])
        self._released = len(self._pending)
        bare, codes = ANSI_SO_FAR.sub("", self._pending), "".join(ANSI_SO_FAR.findall(rest))
        index = registry.current()
        found = index.find(bare)
        # What stands before is of an escape that has only begun.
        start = min([self._value, *(span.start for span in found)])
        if len(bare) - start < _DISTINCTIVE:
            return rest
        if self._is_labelled:
            return codes
        # What is public as a beginning may be a value, too.
        if not found and index.is_public_head(bare[start:]):
            return rest
        self._is_labelled = True
        return bare[len(released) : start] + registry.label(found[-1].name if found else self._name) + codes
