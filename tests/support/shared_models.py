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

from omc_runbook.aws.answer import parse_time

_asks_inspect = botocore.hooks.accepts_kwargs
_create_methods, _find_alias = ClientCreator._create_methods, EventAliaser._alias_event_name
_load_model = ClientCreator._load_service_model  # type: ignore[attr-defined]
_methods: dict[str, dict[str, Any]] = {}
_models: dict[tuple[str, str | None], ServiceModel] = {}
_aliases: dict[str, str] = {}


def share(replace: Callable[[Any, str, Any], object]) -> None:
    """Let clients share it; `replace` sets an attribute of an object to a value."""
    replace(botocore.session, "create_loader", cache(botocore.session.create_loader))
    replace(ClientCreator, "_create_methods", _share_methods)
    replace(ClientCreator, "_load_service_model", _share_model)
    # Each copy of an emitter, of which every client has one, finds out the names of all events anew.
    replace(EventAliaser, "_alias_event_name", _alias)
    replace(_PrefixTrie, "_recursive_copy", _copy_node)
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


def _copy_node(trie: _PrefixTrie, node: dict[str, Any]) -> dict[str, Any]:
    """A copy of a node of the emitter's handlers, of which there are hundreds: `copy` takes three times as long."""
    copied: dict[str, Any] = {}
    for key, value in node.items():
        if type(value) is dict:
            copied[key] = _copy_node(trie, value)
        elif type(value) is NodeList:
            first, middle, last = value
            copied[key] = NodeList(first[:], middle[:], last[:])
        else:
            copied[key] = value
    return copied


def _alias(emitter: EventAliaser, event: str) -> str:
    if event not in _aliases:
        _aliases[event] = _find_alias(emitter, event)
    return _aliases[event]


def _accepts_kwargs(handler: Any) -> bool:
    """Whether a handler of events does, as its code says it: `inspect` asks for all of its signature."""
    code = getattr(handler, "__code__", None)
    return bool(code.co_flags & CO_VARKEYWORDS) if code else bool(_asks_inspect(handler))
