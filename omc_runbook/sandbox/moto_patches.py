"""Replaces moto's responses with the corrected services, before moto answers its first request."""

import importlib
from functools import cache
from typing import Any
from uuid import uuid4

from flask import Flask
from moto import backends, settings
from moto.core import responses
from moto.core.serialize import JSONSerializer, ResponseSerializer
from moto.moto_server import werkzeug_app


def install() -> None:
    """Install every corrected service, and stop moto from allowing CORS."""
    from omc_runbook.sandbox.aws.attributes import pick, write_structure
    from omc_runbook.sandbox.aws.cloudtrail import SandboxCloudTrail
    from omc_runbook.sandbox.aws.ec2 import SandboxEc2
    from omc_runbook.sandbox.aws.ecs import SandboxEcs
    from omc_runbook.sandbox.aws.iam import SandboxIam
    from omc_runbook.sandbox.aws.kms import SandboxKms
    from omc_runbook.sandbox.aws.logs import SandboxLogs
    from omc_runbook.sandbox.aws.secretsmanager import SandboxSecretsManager
    from omc_runbook.sandbox.aws.sns import SandboxSns
    from omc_runbook.sandbox.aws.sts import SandboxSts

    services = {
        "cloudtrail": SandboxCloudTrail,
        "ec2": SandboxEc2,
        "ecs": SandboxEcs,
        "iam": SandboxIam,
        "kms": SandboxKms,
        "logs": SandboxLogs,
        "secretsmanager": SandboxSecretsManager,
        "sns": SandboxSns,
        "sts": SandboxSts,
    }
    for service, response in services.items():
        paths = importlib.import_module(f"moto.{service}.urls").url_paths
        paths.update(dict.fromkeys(paths, response.dispatch))
    # Otherwise flask-cors would let every web page read every response.
    werkzeug_app.DISABLE_GLOBAL_CORS = True  # type: ignore[attr-defined]
    # Otherwise each request lists the folder of moto's services and a class's methods, and compares its host with
    # every service's.
    modules = frozenset(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules
    for owner, name in (
        (responses, "method_names_from_class"),
        (werkzeug_app.DomainDispatcherApplication, "get_backend_for_host"),
    ):
        setattr(owner, name, cache(getattr(owner, name)))
    # Otherwise each account and region would begin with some thousand images, each with a volume.
    settings.ec2_load_default_amis = lambda: False
    # Otherwise each request draws fifty letters for its id, which with AWS is a UUID.
    responses.gen_amzn_requestid_long = _new_request_id  # type: ignore[attr-defined, assignment]
    responses.BaseResponse._enrich_response = staticmethod(_enrich_response)  # type: ignore[method-assign]
    ResponseSerializer.get_value = pick  # type: ignore[method-assign, assignment]
    JSONSerializer._serialize_type_structure = write_structure  # type: ignore[method-assign, assignment]


def create_app(service: backends.SERVICE_NAMES) -> Flask:
    """A service's application as moto makes it, without Flask's aids for debugging: they make a class a request."""
    application = werkzeug_app.create_backend_app(service)
    application.debug = False
    # Or else nobody would see the error that ends a request.
    application.config["PROPAGATE_EXCEPTIONS"] = True
    return application


_write_request_id = responses.BaseResponse._enrich_response


def _enrich_response(headers: dict[str, str], body: Any) -> tuple[dict[str, str], Any]:
    """Write the request's id into an answer; moto goes through each, letter by letter, for the element that XML has."""
    has_element = isinstance(body, str) and "<RequestId>" in body
    headers, new_body = _write_request_id(headers, body if has_element else "")
    return headers, new_body if has_element else body


def _new_request_id(headers: dict[str, Any] | None = None) -> str:
    request_id = str(uuid4())
    if headers is not None:
        headers["x-amzn-requestid"] = request_id
    return request_id
