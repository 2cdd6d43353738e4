"""Which attributes of moto's objects may have the value of a member of an answer."""

from collections.abc import Generator
from typing import Any, ClassVar

from moto.core.serialize import AttributePickerContext, XFormedAttributePicker


class AttributePicker(XFormedAttributePicker):
    """moto's choice, made once for each member and class: made for each value, it took a third of a sandbox's time."""

    _keys: ClassVar[dict[tuple[Any, ...], tuple[str, ...]]] = {}

    def get_possible_keys(self, context: AttributePickerContext) -> Generator[str]:
        """The names to look for, in their order."""
        member = type(context.obj), context.key, context.shape
        if member not in self._keys:
            self._keys[member] = tuple(dict.fromkeys(super().get_possible_keys(context)))
        yield from self._keys[member]
