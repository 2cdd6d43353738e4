"""Which attributes of moto's objects have the values of an answer's members, and how these are written as JSON."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.core.constants import MISSING
from moto.core.model import Shape
from moto.core.serialize import AttributePickerContext, JSONSerializer, ResponseSerializer, XFormedAttributePicker
from moto.core.utils import get_value


@dataclass(frozen=True, slots=True)
class _Way:
    """How a member is found in an object of one class: under which names, and what may transform it by its path."""

    names: tuple[str, ...]
    look: Callable[[Any, str, Any], Any]
    transformers: tuple[tuple[str, Callable[[Any], Any]], ...]


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of a structure: where its value is, where that goes, and of which type one goes as it is."""

    key: str
    name: str
    shape: Shape
    way: _Way
    plain: type | None


_PLAIN = {"string": str, "integer": int, "long": int, "double": float, "float": float, "boolean": bool}
# Results are cached in their shape, since moto makes a new one for each error.
_WAYS, _MEMBERS = "sandbox_ways", "sandbox_members"


def write_structure(serializer: JSONSerializer, output: dict[str, Any], owner: Any, shape: Any, key: str) -> None:
    """Write a structure into a JSON answer as moto does, but with cached look-ups of how each value is written.

    Without the cache, the look-ups took half of a sandbox's time.
    """
    if shape.is_document_type:
        output[key] = owner
        return
    if owner is None:
        return
    own: dict[str, Any] = {} if key else output
    for member in _members_of(serializer, owner, shape):
        value = _value(serializer, owner, member.key, member.way)
        if type(value) is member.plain:
            own[member.name] = value
        elif value is not None:
            serializer._serialize(own, value, member.shape, member.key)
    if key:
        output[serializer.get_serialized_name(shape, key)] = own


def _members_of(serializer: ResponseSerializer, owner: Any, shape: Any) -> list[_Member]:
    known: dict[tuple[type, tuple[str, ...]], list[_Member]] = vars(shape).setdefault(_MEMBERS, {})
    cache_key = (type(owner), tuple(serializer._value_picker.response_transformers))
    members = known.get(cache_key)
    if members is None:
        members = []
        for key, each in shape.members.items():
            # The names of some depend on it.
            each.parent = shape
            name = serializer.get_serialized_name(each, key)
            members.append(_Member(key, name, each, _way_to(serializer, owner, key, each), _PLAIN.get(each.type_name)))
        known[cache_key] = members
    return members


def pick(serializer: ResponseSerializer, owner: Any, key: str, shape: Shape) -> Any:
    """The value of one member, as moto's `AttributePicker` picks it, but with cached names.

    moto looks up the possible names again for each value of each answer, which took a third of a sandbox's time.
    """
    return _value(serializer, owner, key, _way_to(serializer, owner, key, shape))


def _value(serializer: ResponseSerializer, owner: Any, key: str, way: _Way) -> Any:
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


def _way_to(serializer: ResponseSerializer, owner: Any, key: str, shape: Shape) -> _Way:
    transformers: dict[str, Callable[[Any], Any]] = serializer._value_picker.response_transformers
    known: dict[tuple[type, str, tuple[str, ...]], _Way] = vars(shape).setdefault(_WAYS, {})
    cache_key = (type(owner), key, tuple(transformers))
    way = known.get(cache_key)
    if way is None:
        way = known[cache_key] = _find_way(owner, key, shape, transformers)
    return way


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
