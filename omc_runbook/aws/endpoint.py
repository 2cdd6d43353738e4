"""Where calls go: to AWS, to a sandbox on this machine, or to an endpoint that somebody configured."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.configprovider import ConfiguredEndpointProvider

from omc_runbook.aws.answer import MEMBERS
from omc_runbook.masking import registry
from omc_runbook.model.handover import is_on_this_machine

if TYPE_CHECKING:
    from botocore.session import Session

_AWS_DOMAINS = (
    *(".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonwebservices.com.cn"),
    *(".amazonaws.eu", ".amazonwebservices.eu"),
)
"""The domains of AWS's public endpoints."""

_SERVICES = tuple(dict.fromkeys(operation.partition(":")[0] for operation in MEMBERS))


def foreign_urls(session: Session) -> tuple[str, ...]:
    """The configured URLs that are neither AWS's nor this machine's: of all services, and of one alone.

    See https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return ()
    full, scoped = session.full_config, session.get_scoped_config()
    providers = (ConfiguredEndpointProvider(full, scoped, service) for service in _SERVICES)
    urls = dict.fromkeys(str(provider.provide() or "") for provider in providers)
    return tuple(url for url in urls if url and not is_on_this_machine(url) and not is_of_aws(url))


def sentence(url: str) -> str:
    """What to know of a foreign endpoint before anything is sent to it."""
    return registry.mask(f"Calls go to {url}, neither AWS nor this machine: it sees all that is read and written.")


def check_port(url: str) -> None:
    """Raise ValueError for a number that no port has, which botocore meets only when it signs a call."""
    _ = urlsplit(url).port


def is_unencrypted(url: str) -> bool:
    """Whether calls to an endpoint can be read on the network."""
    return urlsplit(url).scheme == "http" and not is_on_this_machine(url)


def is_of_aws(url: str) -> bool:
    """Whether a URL is that of one of AWS's public endpoints."""
    return (urlsplit(url).hostname or "").endswith(_AWS_DOMAINS)
