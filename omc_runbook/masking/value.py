"""A secret value, which prints as its name."""

import hmac
import re
from typing import NoReturn, Self

from omc_runbook.masking import kernel, registry
from omc_runbook.masking.spelling import encode


class Masked:
    """The text of a secret called ``name``; every way of showing it yields ``‹name›``.

    Before the constructor returns, the text is registered (see `omc_runbook.masking.registry`) and, inside an IPython
    kernel, the hook that masks outgoing messages is installed. Only `reveal` returns the text; the predicates below
    answer what checks need without it.
    """

    __slots__ = ("_text", "name")

    def __init__(self, text: str, name: str) -> None:
        registry.register(text, name)
        kernel.install()
        self._text = text
        self.name = name

    @property
    def length(self) -> int:
        """The text's length in characters."""
        return len(self._text)

    @property
    def size(self) -> int:
        """The text's size in UTF-8, in bytes."""
        return len(encode(self._text))

    @property
    def is_empty(self) -> bool:
        """Whether the text has no characters at all."""
        return not self._text

    def matches(self, pattern: re.Pattern[str]) -> bool:
        """Whether ``pattern`` is found anywhere in the text."""
        return pattern.search(self._text) is not None

    def same_as(self, other: "Masked | str", casefold: bool = False) -> bool:
        """Whether the text equals that of ``other``, compared in constant time; with ``casefold`` ignoring case."""
        text, other_text = self._text, other._text if isinstance(other, Masked) else other
        if casefold:
            text, other_text = text.casefold(), other_text.casefold()
        return hmac.compare_digest(encode(text), encode(other_text))

    def __eq__(self, other: object) -> bool:
        return self.same_as(other) if isinstance(other, Masked) else NotImplemented

    # Equal values would need equal hashes, and a hash of the text would confirm a guess.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return registry.label(self.name)

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"{self!r} is a secret value and cannot be pickled.")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__getstate__()


def reveal(value: Masked) -> str:
    """Return the text of ``value``: the only function in the project that does.

    Before it returns, the text is registered again and the kernel hook installed, so that a notebook's output shows the
    name whatever the caller does. Pass the text directly to the call that needs it; keep no copy.
    """
    registry.register(value._text, value.name)
    kernel.install()
    return value._text
