"""What botocore makes of its service models, made once for all clients: it takes longer than the calls."""

from collections.abc import Callable
from functools import cache
from typing import Any

import botocore.httpsession
import botocore.parsers
import botocore.session
from botocore.client import ClientCreator
from botocore.model import ServiceModel

from omc_runbook.aws import session
from omc_runbook.aws.answer import parse_time

_create_methods = ClientCreator._create_methods
_load_model = ClientCreator._load_service_model  # type: ignore[attr-defined]
_methods: dict[str, dict[str, Any]] = {}
_models: dict[tuple[str, str | None], ServiceModel] = {}


def share(replace: Callable[[Any, str, Any], object]) -> None:
    """Let clients share it; `replace` sets an attribute of an object to a value."""
    loader = cache(botocore.session.create_loader)
    replace(botocore.session, "create_loader", loader)
    replace(session, "create_loader", lambda: loader(None))
    replace(ClientCreator, "_create_methods", _share_methods)
    replace(ClientCreator, "_load_service_model", _share_model)
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
