"""What botocore makes of its service models, made once for all clients: it takes longer than the calls."""

from collections.abc import Callable
from functools import cache
from inspect import CO_VARKEYWORDS
from typing import Any

import botocore.hooks
import botocore.httpsession
import botocore.parsers
import botocore.session
from botocore.client import ClientCreator
from botocore.hooks import EventAliaser, NodeList, _PrefixTrie
from botocore.model import ServiceModel

from omc_runbook.aws import session
from omc_runbook.aws.answer import parse_time

_asks_inspect = botocore.hooks.accepts_kwargs
_create_methods, _find_alias = ClientCreator._create_methods, EventAliaser._alias_event_name
_append_item, _remove_item = _PrefixTrie.append_item, _PrefixTrie.remove_item
_load_model = ClientCreator._load_service_model  # type: ignore[attr-defined]
_methods: dict[str, dict[str, Any]] = {}
_models: dict[tuple[str, str | None], ServiceModel] = {}
_aliases: dict[str, str] = {}


def share(replace: Callable[[Any, str, Any], object]) -> None:
    """Let clients share it; `replace` sets an attribute of an object to a value."""
    loader = cache(botocore.session.create_loader)
    replace(botocore.session, "create_loader", loader)
    replace(session, "create_loader", lambda: loader(None))
    replace(ClientCreator, "_create_methods", _share_methods)
    replace(ClientCreator, "_load_service_model", _share_model)
    # Each copy of an emitter, of which every client has one, finds out the names of all events anew.
    replace(EventAliaser, "_alias_event_name", _alias)
    replace(_PrefixTrie, "__copy__", _copy_trie)
    replace(_PrefixTrie, "append_item", _append)
    replace(_PrefixTrie, "remove_item", _remove)
    replace(botocore.hooks, "accepts_kwargs", _accepts_kwargs)
    # The tests' own clients read times as the package's do.
    replace(botocore.parsers, "DEFAULT_TIMESTAMP_PARSER", parse_time)
    # No test's server speaks TLS.
    replace(botocore.httpsession, "create_urllib3_context", cache(botocore.httpsession.create_urllib3_context))


def _share_methods(creator: ClientCreator, model: ServiceModel) -> dict[str, Any]:
    if model.service_name not in _methods:
        _methods[model.service_name] = _create_methods(creator, model)
    return dict(_methods[model.service_name])


def _share_model(creator: ClientCreator, name: str, api_version: str | None = None) -> ServiceModel:
    if (name, api_version) not in _models:
        _models[name, api_version] = _load_model(creator, name, api_version)
    return _models[name, api_version]


def _copy_trie(trie: Any) -> Any:
    """A copy of an emitter's handlers, of which there are hundreds of nodes: whoever changes a node copies it first."""
    copied: Any = _PrefixTrie()
    copied._root = trie._root
    trie.__dict__.pop("_own", None)
    return copied


def _append(trie: Any, key: str, *value: Any, **section: int) -> None:
    _own_path(trie, key)
    _append_item(trie, key, *value, **section)


def _remove(trie: Any, key: str, value: Any) -> None:
    _own_path(trie, key)
    _remove_item(trie, key, value)


def _own_path(trie: Any, key: str) -> None:
    """Let no other trie have the nodes on a key's way."""
    own: dict[int, dict[str, Any]] = trie.__dict__.setdefault("_own", {})
    node = trie._root = _owned(own, trie._root)
    for part in key.split("."):
        child = node["children"].get(part)
        if child is None:
            return
        node["children"][part] = node = _owned(own, child)


def _owned(own: dict[int, dict[str, Any]], node: dict[str, Any]) -> dict[str, Any]:
    if id(node) not in own:
        values = node["values"]
        copied = NodeList(*(handlers[:] for handlers in values)) if values else None
        node = {**node, "children": dict(node["children"]), "values": copied}
        own[id(node)] = node
    return node


def _alias(emitter: EventAliaser, event: str) -> str:
    if event not in _aliases:
        _aliases[event] = _find_alias(emitter, event)
    return _aliases[event]


def _accepts_kwargs(handler: Any) -> bool:
    """Whether a handler of events does, as its code says it: `inspect` asks for all of its signature."""
    code = getattr(handler, "__code__", None)
    return bool(code.co_flags & CO_VARKEYWORDS) if code else bool(_asks_inspect(handler))
