"""Which attributes of moto's objects have the values of an answer's members."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.core.constants import MISSING
from moto.core.model import Shape
from moto.core.serialize import AttributePickerContext, ResponseSerializer, XFormedAttributePicker
from moto.core.utils import get_value


@dataclass(frozen=True, slots=True)
class _Way:
    """How a member is found in an object of one class: under which names, and what may transform it by its path."""

    names: tuple[str, ...]
    look: Callable[[Any, str, Any], Any]
    transformers: tuple[tuple[str, Callable[[Any], Any]], ...]


_WAYS: dict[tuple[type, str, Shape, tuple[str, ...]], _Way] = {}


def pick(serializer: ResponseSerializer, owner: Any, key: str, shape: Shape) -> Any:
    """The value of one member, as moto's `AttributePicker` picks it.

    That one finds out the possible names of each value of each answer anew, which took a third of a sandbox's time.
    """
    transformers: dict[str, Callable[[Any], Any]] = serializer._value_picker.response_transformers
    place = (type(owner), key, shape, tuple(transformers))
    way = _WAYS.get(place)
    if way is None:
        way = _WAYS[place] = _find_way(owner, key, shape, transformers)
    value = None
    for name in way.names:
        found = way.look(owner, name, MISSING)
        if found is not MISSING:
            value = found
            break
    for path, transform in way.transformers:
        if f"{'.'.join(serializer.path)}.{key}".endswith(path):
            return transform(value)
    return value


def _find_way(owner: Any, key: str, shape: Shape, transformers: dict[str, Callable[[Any], Any]]) -> _Way:
    kind = type(owner)
    context = AttributePickerContext(owner, key, shape)
    names = tuple(dict.fromkeys(XFormedAttributePicker().get_possible_keys(context)))
    look: Callable[[Any, str, Any], Any] = get_value
    if not any("." in name for name in names):
        if kind is dict:
            look = dict.get
        elif not hasattr(kind, "__getitem__"):
            look = getattr
    # Most transformers are for other members.
    own = [(path, transform) for path, transform in transformers.items() if path.endswith(key) or key.endswith(path)]
    return _Way(names, look, tuple(own))
