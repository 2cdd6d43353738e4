"""boto3 clients of one region, profile and role, and the sessions that they share."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import boto3
import botocore.session
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPSConnection
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
    create_credential_resolver,
)
from botocore.exceptions import ConfigParseError, InvalidRegionError, ProfileNotFound, UnknownRegionError
from botocore.loaders import Loader, create_loader

from omc_runbook.aws import credential_process, endpoint, sts
from omc_runbook.aws.answer import ParserFactory, validate_responses
from omc_runbook.aws.calls import Calls, ReadingTime, around_calls
from omc_runbook.aws.failures import (
    CALL_ERRORS,
    PROCESS_FAILS,
    PROFILE,
    SOURCE,
    WRONG_VARIABLE,
    ReadFailure,
    attempt,
    changing,
    no_credentials,
)
from omc_runbook.aws.lost_answer import refuse_repetition
from omc_runbook.aws.sts import Caller
from omc_runbook.aws.timed_response import TimedResponse
from omc_runbook.masking import wire
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.handover import ENDPOINT_VARIABLE
from omc_runbook.model.parameters import quoted
from omc_runbook.model.suggestions import nearest
from omc_runbook.model.time_limits import CALL_SECONDS, TRIES

if TYPE_CHECKING:
    from omc_runbook.model.environment import Environment

T = TypeVar("T")

_PROFILE_VARIABLES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
"""In the order in which botocore takes them."""
USER_AGENT = "omc-runbook"
"""What the user agent of every call names, so that CloudTrail shows which calls were a runbook's."""
_CONNECT_SECONDS = 5
_READ_SECONDS = CALL_SECONDS - _CONNECT_SECONDS
_CONFIG = Config(
    user_agent_extra=USER_AGENT,
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=_READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": TRIES},
    max_pool_connections=32,
)


class Clients:
    """boto3 clients for one region, profile and role; thread-safe, each made on first use.

    Credentials, profiles and endpoints (AWS_ENDPOINT_URL) are found as boto3 finds them:
    https://boto3.amazonaws.com/v1/documentation/api/latest/guide/configuration.html
    With `role_arn` they serve to assume that role, whose credentials botocore renews while a run lasts; a call then
    raises CouldNotLook where the role cannot be assumed. From the first instance on, boto3 and the libraries below it
    do not log their traffic, whatever the logging configuration. `time` is what they share with other clients of a run;
    None is a time of their own. Raises UsageError for a profile that does not exist,
    which names where it is set (`profile_source`), and for a configuration that cannot be parsed.
    """

    def __init__(
        self,
        region: str,
        profile: str = "",
        role_arn: str = "",
        external_id: str = "",
        profile_source: str = "",
        time: ReadingTime | None = None,
    ) -> None:
        wire.silence()
        wire.silence_connections(AWSHTTPConnection, AWSHTTPSConnection)
        TimedResponse.bound(_READ_SECONDS, AWSHTTPConnection, AWSHTTPSConnection)
        self.region, self.profile, time = region, profile, time or ReadingTime()
        self.role = (
            AssumedRole(Clients(region, profile, profile_source=profile_source, time=time), role_arn, external_id)
            if role_arn
            else None
        )
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        session = botocore.session.Session(profile=profile or None)
        session.register_component("response_parser_factory", ParserFactory())
        resolver = CredentialResolver([self.role]) if self.role else None
        session.lazy_register_component("credential_provider", lambda: resolver or _resolver(session, region, time))
        try:
            if session.get_config_variable("data_path") is None:
                session.register_component("data_loader", _loader())
            self._session = boto3.Session(botocore_session=session, region_name=region)
        except ProfileNotFound as error:
            raise UsageError(_no_profile(error, profile, profile_source)) from None
        except ConfigParseError as error:
            raise UsageError(_no_configuration(error)) from None
        validate_responses(self._session.events)
        _name_profile(self._session, profile)
        refuse_repetition(self._session.events)
        self.calls = Calls(self._session.events, time)

    @classmethod
    def of(cls, environment: Environment, region: str = "", time: ReadingTime | None = None) -> Clients:
        """The clients for an environment, in its region or another; `time` is shared with other clients of a run."""
        names, source = environment.names, environment.source_of("profile")
        return cls(region or names.region, names.profile, names.role_arn, names.external_id, source, time)

    def __call__(self, service: str, region: str = "") -> Any:
        """The client for a service, named as boto3 names it, in this region or another.

        Raises CouldNotLook for what cannot be a region, and UsageError for an endpoint that is no URL.
        """
        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                try:
                    client = self._session.client(service, region_name=key[1], config=_CONFIG)  # type: ignore[call-overload]
                    endpoint.check_port(client.meta.endpoint_url)
                    self._clients[key] = client
                except InvalidRegionError:
                    raise CouldNotLook(f"{quoted(key[1])} is not a valid name of a region.") from None
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    # A new client asks for credentials first: where that fails, it is not the endpoint.
                    self._find_credentials()
                    if not isinstance(error, ValueError):
                        raise
                    raise UsageError(
                        f"{error}: set {ENDPOINT_VARIABLE}, or endpoint_url in the AWS configuration, to a URL, or"
                        " unset it."
                    ) from None
            return self._clients[key]

    @property
    def has_credentials(self) -> bool:
        """Whether boto3 finds credentials, valid or not; to assume a role, the caller's own.

        Raises CouldNotLook where those that are configured cannot be read.
        """
        return self.role.source.has_credentials if self.role else self._find_credentials() is not None

    def _find_credentials(self) -> object:
        """The credentials; None where none are configured. Raises CouldNotLook where they cannot be read."""
        try:
            return attempt("the credentials", "credentials", self._session.get_credentials, self.profile)
        except (AttributeError, KeyError, TypeError, ValueError):
            # botocore takes what the program prints, or an endpoint answers, for an object of JSON, with a time.
            reason = PROCESS_FAILS if _runs_program(self._session) else WRONG_VARIABLE
            raise CouldNotLook(no_credentials(self.profile, *reason)) from None

    @property
    def foreign_endpoints(self) -> tuple[str, ...]:
        """Configured URLs of endpoints that are neither AWS's nor this machine's."""
        return endpoint.foreign_urls(self._session._session)

    @property
    def endpoint(self) -> str:
        """The URL of Secrets Manager's endpoint, as boto3 resolved it."""
        return str(self("secretsmanager").meta.endpoint_url)


class AssumedRole(CredentialProvider):
    """A role that the caller assumes: botocore's provider of its credentials, which are renewed before they expire.

    A session is named after its caller, for CloudTrail. See
    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    """

    METHOD = "assume-role"

    def __init__(self, source: Clients, arn: str, external_id: str) -> None:
        super().__init__()
        self.source = source
        self.arn = arn
        self.caller: Caller | None = None
        """Who assumed it; None before the first call."""
        self._external_id = external_id

    def load(self) -> DeferredRefreshableCredentials:
        """The credentials, which are asked for with the first call."""
        return DeferredRefreshableCredentials(self._assume, self.METHOD)

    def _assume(self) -> dict[str, str]:
        """Assume the role, under the names that botocore has for credentials; raises CouldNotLook where AWS refuses."""
        client = self.source("sts")
        caller = require(
            "the caller", "sts:GetCallerIdentity", lambda: sts.get_caller(client), profile=self.source.profile
        )
        answer = attempt(
            f"role {self.arn}", "sts:AssumeRole", lambda: sts.assume_role(client, caller, self.arn, self._external_id)
        )
        if isinstance(answer, ReadFailure):
            raise CouldNotLook(
                self._refused(answer, caller) if answer.kind == "denied" else answer.sentence_for("assume")
            )
        self.caller = caller
        return answer

    def _refused(self, failure: ReadFailure, caller: Caller) -> str:
        if failure.denied_by:
            return f"{failure.sentence_for('assume')} The caller is {caller.arn}."
        external_id = (
            "with the external id that external_id in runbook.toml or OMC_EXTERNAL_ID sets"
            if self._external_id
            else "and external_id in runbook.toml or OMC_EXTERNAL_ID the external id, if the policy asks for one"
        )
        return (
            f"Could not assume role {self.arn}: {failure.code}. Either {caller.arn} lacks the permission sts:AssumeRole"
            f" on it, or the role's trust policy does not allow that caller: it must name the caller or its account,"
            f" {external_id}."
        )


def _name_profile(session: boto3.Session, profile: str) -> None:
    """Let what a client raises name the profile that signs in, in whatever part of a run: see `failures.attempt`."""
    *before, last = _sources(session)

    @contextmanager
    def naming() -> Iterator[None]:
        try:
            yield
        except CALL_ERRORS as error:
            setattr(error, PROFILE, profile)
            setattr(error, SOURCE, last if before else "")
            raise

    around_calls(session.events, naming)


def _resolver(session: botocore.session.Session, region: str, time: ReadingTime) -> CredentialResolver:
    """What finds credentials as botocore does, of a role with the session that another client of its profile began."""
    resolver = create_credential_resolver(session, region_name=region)
    provider: Any = resolver.get_provider("assume-role")
    provider.cache = _sessions_of(session.profile or "")
    provider._prompter = time.uncounted(provider._prompter)
    credential_process.bound(resolver)
    return resolver


def _sessions_of(profile: str) -> dict[str, Any]:
    """The sessions of roles that a profile assumes, where it is found now; "" for that of the variables, if any."""
    names = (ENDPOINT_VARIABLE, "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
    own = profile or next(filter(None, map(os.environ.get, _PROFILE_VARIABLES)), "")
    return _sessions(own, *(os.environ.get(name, "") for name in names))


@cache
def _sessions(*source: str) -> dict[str, Any]:
    """The sessions from one source, which all clients of this process share: one MFA code works once."""
    return {}


@cache
def _loader() -> Loader:
    """What reads botocore's service models: once for all sessions of this process."""
    loader = create_loader()
    # Each thread that begins with a paginator would look for them all by itself.
    loader.list_available_services("paginators-1")
    return loader


def load_models(*services: str) -> None:
    """Read the models of services in advance; no client is made."""
    for service in services:
        for kind in ("service-2", "endpoint-rule-set-1"):
            _loader().load_service_model(service, kind)
    for service in {*services}.intersection(_loader().list_available_services("paginators-1")):
        _loader().load_service_model(service, "paginators-1")
    for kind in ("service-2", "resources-1"):
        _loader().list_available_services(kind)
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        _loader().load_data(name)


def configured_region(profile: str = "") -> str:
    """The region of the caller's AWS configuration, "" where it has none; of no profile where that does not exist."""
    try:
        return boto3.Session(profile_name=profile or None).region_name or ""
    except (ProfileNotFound, ConfigParseError):
        return ""


def partition_of(region: str) -> str:
    """The partition of a region, such as aws-cn; aws for a region that boto3 does not know."""
    try:
        return boto3.Session().get_partition_for_region(region)
    except (UnknownRegionError, ProfileNotFound, ConfigParseError):
        return "aws"


def _no_profile(error: ProfileNotFound, profile: str, source: str) -> str:
    """Which profile does not exist, the nearest that does, and where to correct it: a file or a variable."""
    name = error.kwargs["profile"]
    near = nearest(name, botocore.session.Session(profile="").available_profiles)
    variable = next(filter(os.environ.get, _PROFILE_VARIABLES), _PROFILE_VARIABLES[-1])
    if profile:
        is_variable = source.startswith("OMC_")
        variable = source if is_variable else f"profile in {source or 'runbook.toml'}, or OMC_PROFILE"
    return f'Profile "{name}" is not in the AWS configuration{near} Correct {variable}.'


def _runs_program(session: boto3.Session) -> bool:
    """Whether the profile in use has a credential_process, or one of those from which it takes its credentials."""
    profiles = session._session.full_config["profiles"]
    return any("credential_process" in profiles.get(each, {}) for each in _sources(session))


def _sources(session: boto3.Session) -> list[str]:
    """The profile in use, which may not exist, and those from which it takes its credentials, each from the next."""
    profiles, used = session._session.full_config["profiles"], [session.profile_name]
    while (name := _source_of(profiles.get(used[-1], {}))) in profiles and name not in used:
        used.append(name)
    return used


def _source_of(profile: Mapping[str, Any]) -> str:
    """The profile from which one takes its credentials; "" where it assumes no role, or names none with a text."""
    source = profile.get("source_profile") if "role_arn" in profile else None
    return source if isinstance(source, str) else ""


def _no_configuration(error: ConfigParseError) -> str:
    """Which file of the AWS configuration cannot be parsed; its line, which may hold a secret, by its number."""
    line = re.search(r"\bline:?\s+(\d+)", str(error.kwargs.get("error")))
    where = f" in line {line[1]}" if line else ""
    return f"The AWS configuration {error.kwargs['path']} is not valid{where}: correct it, then run again."


def require(what: str, permission: str, call: Callable[[], T], do: str = "read", profile: str | None = None) -> T:
    """Make a call that must succeed; raises CouldNotLook for any failure, with `do` as the verb of its sentence.

    Of a call that is no read, it says so where AWS may have carried it out all the same, and so does the
    KeyboardInterrupt of one that is interrupted. `profile` is as for `attempt`, None where the caller does not know it.
    """
    doubt = "" if do == "read" else f" It is unknown whether {permission} took effect."
    lost: Literal["no-answer", "in-doubt"] = "in-doubt" if doubt else "no-answer"
    try:
        with changing(permission) if doubt else nullcontext():
            answer = attempt(what, permission, call, profile or "")
    except CouldNotLook as error:
        if error.kind == "credentials":
            # They may be those of a session that was revoked: the next run begins one anew.
            if profile is None:
                _sessions.cache_clear()
            else:
                _sessions_of(profile).clear()
        if error.kind != "no-answer":
            raise
        raise CouldNotLook(f"{error}{doubt}", kind=lost) from None
    if isinstance(answer, ReadFailure):
        is_lost = answer.may_have_happened
        sentence = answer.sentence_for(do) + (doubt if is_lost else "")
        raise CouldNotLook(sentence, lost if is_lost else "", says_next=answer.says_next)
    return answer


def make_change(what: str, permission: str, call: Callable[[], object], is_done: Callable[[], bool]) -> None:
    """Make a change that must succeed; where its answer is lost, AWS is asked whether it is done.

    Raises CouldNotLook as `require` does, where it is not done, or that cannot be read either.
    """
    try:
        require(what, permission, call, "change")
    except CouldNotLook as error:
        if error.kind == "in-doubt":
            with suppress(CouldNotLook):
                if is_done():
                    return
        raise
