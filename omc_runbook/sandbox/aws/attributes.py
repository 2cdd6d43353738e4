"""Which attributes of moto's objects have the values of an answer's members."""

from typing import Any

from moto.core.constants import MISSING
from moto.core.model import Shape
from moto.core.serialize import AttributePickerContext, ResponseSerializer, XFormedAttributePicker
from moto.core.utils import get_value

_NAMES: dict[tuple[type, str, Shape], tuple[str, ...]] = {}


def pick(serializer: ResponseSerializer, owner: Any, key: str, shape: Shape) -> Any:
    """The value of one member, as moto's `AttributePicker` picks it.

    That one finds out the possible names of each value of each answer anew, which took a third of a sandbox's time.
    """
    kind = type(owner)
    names = _NAMES.get((kind, key, shape))
    if names is None:
        context = AttributePickerContext(owner, key, shape)
        names = tuple(dict.fromkeys(XFormedAttributePicker().get_possible_keys(context)))
        _NAMES[kind, key, shape] = names
    value = None
    for name in names:
        found = owner.get(name, MISSING) if kind is dict and "." not in name else get_value(owner, name, MISSING)
        if found is not MISSING:
            value = found
            break
    for path, transform in serializer._value_picker.response_transformers.items():
        # Most of them are for another member.
        if (path.endswith(key) or key.endswith(path)) and f"{'.'.join(serializer.path)}.{key}".endswith(path):
            return transform(value)
    return value
