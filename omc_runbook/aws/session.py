"""boto3 clients of one region, profile and role, and the meaning of their errors."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, overload
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPSConnection
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
    ProcessProvider,
    create_credential_resolver,
)
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    ConnectionError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PaginationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnknownRegionError,
)
from botocore.loaders import Loader, create_loader

from omc_runbook.aws import endpoint, sts
from omc_runbook.aws.answer import InvalidResponse, ParserFactory, validate_responses
from omc_runbook.aws.calls import Calls, TookTooLong
from omc_runbook.aws.lost_answer import FIRST_SERVER_ERROR, refuse_repetition
from omc_runbook.aws.sts import Caller
from omc_runbook.aws.timed_response import TimedResponse
from omc_runbook.masking import wire
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.handover import ENDPOINT_VARIABLE, SANDBOX_VARIABLES
from omc_runbook.model.parameters import quoted
from omc_runbook.model.shell import command, unset_commands
from omc_runbook.model.suggestions import nearest
from omc_runbook.model.time_limits import CALL_SECONDS

if TYPE_CHECKING:
    from omc_runbook.model.environment import Names

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")

DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "NotAuthorized"}
)
THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
    }
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
INVALID = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "AuthFailure",
        "MissingAuthenticationToken",
    }
)
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"})
_WRONG_TIME = ("Signature expired:", "Signature not yet current:")
"""How the message of SignatureDoesNotMatch or InvalidSignatureException begins where the clock is to blame."""

_SERVER_ERRORS = (
    *("InternalError", "InternalFailure", "InternalServerError", "InternalServerException", "InternalServiceError"),
    *("ServerException", "ServiceFailure", "ServiceUnavailable", "ServiceUnavailableException", "Unavailable"),
    *("DependencyTimeoutException", "InternalException", "KMSInternalException", "ServiceException"),
)
"""What services call an error of their own."""
_DELETION = "Somebody may have scheduled its deletion meanwhile: run troubleshoot, which can cancel that."
_GONE = "The secret, or this version of it, was deleted meanwhile: run verify."
_NEXT = {
    **{("", code): "The error is AWS's own: run again in a minute." for code in _SERVER_ERRORS},
    ("secretsmanager:PutSecretValue", "ResourceNotFoundException"): _GONE,
    ("secretsmanager:UpdateSecretVersionStage", "ResourceNotFoundException"): _GONE,
    ("secretsmanager:PutSecretValue", "InvalidRequestException"): _DELETION,
    ("secretsmanager:UpdateSecretVersionStage", "InvalidRequestException"): _DELETION,
    ("ecs:DescribeTaskDefinition", "ClientException"): (
        "It was deleted, or its family has no ACTIVE revision: let what starts it start an ACTIVE one."
    ),
    ("iam:PutRolePolicy", "LimitExceeded"): (
        "The inline policies of a role have 10,240 characters together at most: remove one that it no longer needs, or"
        " allow the same in a managed policy."
    ),
    ("", "DecryptionFailure"): "KMS could not decrypt it: see the state of its KMS key, then run again.",
    ("", "EncryptionFailure"): "KMS could not encrypt it: see the state of its KMS key, then run again.",
    ("secretsmanager:PutSecretValue", "LimitExceededException"): (
        "Either the secret has 20 staging labels, on all its versions: remove one that is no longer needed, then run"
        " again. Or it has about 100 versions, and Secrets Manager removes none that is younger than 24 hours: run"
        " again when the oldest are."
    ),
    ("secretsmanager:UpdateSecretVersionStage", "LimitExceededException"): (
        "A secret has 20 staging labels at most, on all its versions: remove one that is no longer needed, then run"
        " again."
    ),
}
"""What to do about errors whose code alone does not say so, by action ("" for any) and code."""

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
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=32,
)


@dataclass(frozen=True)
class ReadFailure:
    """Something that could not be read, and the permission that would help.

    `what` names it within a sentence; `code` is AWS's error code, or for "no-answer" and "incomplete" a sentence, such
    as that an answer cannot have everything. `denied_by`
    is where an explicit deny is, by AWS's message, such as "a resource-based policy": no permission overrides it.
    """

    what: str
    permission: str
    code: str
    kind: Literal["denied", "throttled", "failed", "no-answer", "incomplete"]
    denied_by: str = ""
    may_have_happened: bool = field(default=False, compare=False)
    """Whether AWS may have carried it out in spite of the failure: the answer was lost, or is an error of AWS's own."""

    @property
    def sentence(self) -> str:
        """What could not be read, why, and what next."""
        return self.sentence_for("read")

    def sentence_for(self, verb: str) -> str:
        """The same sentence with another verb than "read", such as "change"."""
        if self.denied_by:
            missing = f"the permission {self.permission} is missing, since an explicit deny in {self.denied_by}"
            return f"Could not {verb} {self.what}: {self.code}; {missing} forbids {self.permission}."
        if self.kind == "denied":
            return f"Could not {verb} {self.what}: {self.code}; the permission {self.permission} is missing."
        if self.kind == "throttled":
            return f"Could not {verb} {self.what}: {self.code} outlasted the retries; run again in a minute."
        if self.kind == "incomplete":
            return f"Could not {verb} {self.what}: {self.code}"
        if self.kind == "no-answer":
            return f"Could not {verb} {self.what}: {self.code} Check the network, then run again."
        next_step = _NEXT.get((self.permission, self.code)) or _NEXT.get(("", self.code), "")
        return f"Could not {verb} {self.what}: {self.permission} failed with {self.code}. {next_step}".rstrip()


class Clients:
    """boto3 clients for one region, profile and role; thread-safe, each made on first use.

    Credentials, profiles and endpoints (AWS_ENDPOINT_URL) are found as boto3 finds them:
    https://boto3.amazonaws.com/v1/documentation/api/latest/guide/configuration.html
    With `role_arn` they serve to assume that role, whose credentials botocore renews while a run lasts; a call then
    raises CouldNotLook where the role cannot be assumed. From the first instance on, boto3 and the libraries below it
    do not log their traffic, whatever the logging configuration. Raises UsageError for a profile that does not exist,
    and for a configuration that cannot be parsed.
    """

    def __init__(self, region: str, profile: str = "", role_arn: str = "", external_id: str = "") -> None:
        wire.silence()
        wire.silence_connections(AWSHTTPConnection, AWSHTTPSConnection)
        TimedResponse.bound(_READ_SECONDS, AWSHTTPConnection, AWSHTTPSConnection)
        self.region, self.profile = region, profile
        self.role = AssumedRole(Clients(region, profile), role_arn, external_id) if role_arn else None
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        session = botocore.session.Session(profile=profile or None)
        session.register_component("response_parser_factory", ParserFactory())
        resolver = CredentialResolver([self.role]) if self.role else None
        session.lazy_register_component("credential_provider", lambda: resolver or _resolver(session, region))
        try:
            if session.get_config_variable("data_path") is None:
                session.register_component("data_loader", _loader())
            self._session = boto3.Session(botocore_session=session, region_name=region)
        except ProfileNotFound as error:
            raise UsageError(_no_profile(error, profile)) from None
        except ConfigParseError as error:
            raise UsageError(_no_configuration(error)) from None
        validate_responses(self._session.events)
        refuse_repetition(self._session.events)
        self.calls = Calls(self._session.events)

    @classmethod
    def of(cls, names: Names, region: str = "") -> Clients:
        """The clients for an environment, in its region or another."""
        return cls(region or names.region, names.profile, names.role_arn, names.external_id)

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
                except (AttributeError, TypeError, ValueError) as error:
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
        except (AttributeError, TypeError, ValueError):
            # botocore takes what the program prints for an object of JSON, with a time.
            reason = _PROCESS_FAILS if _runs_program(self._session) else _WRONG_VARIABLE
            raise CouldNotLook(_no_credentials(self.profile, *reason)) from None

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
            "with the external id that external_id in runbook.toml sets"
            if self._external_id
            else "and external_id in runbook.toml the external id, if the policy asks for one"
        )
        return (
            f"Could not assume role {self.arn}: {failure.code}. Either {caller.arn} lacks the permission sts:AssumeRole"
            f" on it, or the role's trust policy does not allow that caller: it must name the caller or its account,"
            f" {external_id}."
        )


def _resolver(session: botocore.session.Session, region: str) -> CredentialResolver:
    """What finds credentials as botocore does, of a role with the session that another client of its profile began."""
    resolver = create_credential_resolver(session, region_name=region)
    provider: Any = resolver.get_provider("assume-role")
    provider.cache = _sessions_of(session.profile or "")
    return resolver


def _sessions_of(profile: str) -> dict[str, Any]:
    """The sessions of roles that a profile assumes, where it is found now; "" for that of the variables, if any."""
    names = (ENDPOINT_VARIABLE, "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
    own = profile or next(filter(None, map(os.environ.get, _PROFILE_VARIABLES)), "")
    return _sessions(own, *(os.environ.get(name, "") for name in names))


@cache
def _sessions(*source: str) -> dict[str, Any]:
    """The same: all clients of this process share them, as one MFA code works once."""
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


def _no_profile(error: ProfileNotFound, profile: str) -> str:
    """Which profile does not exist, the nearest that does, and where to correct it."""
    name = error.kwargs["profile"]
    near = nearest(name, botocore.session.Session(profile="").available_profiles)
    variable = next(filter(os.environ.get, _PROFILE_VARIABLES), _PROFILE_VARIABLES[-1])
    setting = "profile in runbook.toml, or OMC_PROFILE" if profile else variable
    return f'Profile "{name}" is not in the AWS configuration{near} Correct {setting}.'


def _runs_program(session: boto3.Session) -> bool:
    """Whether the profile in use has a credential_process, or one of those from which it takes its credentials."""
    profiles, name = session._session.full_config["profiles"], session.profile_name
    used = set[str]()
    while name in profiles and name not in used:
        used.add(name)
        name = profiles[name].get("source_profile", "")
    return any("credential_process" in profiles[each] for each in used)


def _no_configuration(error: ConfigParseError) -> str:
    """Which file of the AWS configuration cannot be parsed; its line, which may hold a secret, by its number."""
    line = re.search(r"\bline:?\s+(\d+)", str(error.kwargs.get("error")))
    where = f" in line {line[1]}" if line else ""
    return f"The AWS configuration {error.kwargs['path']} is not valid{where}: correct it, then run again."


def code_of(error: ClientError) -> str:
    """The error's code without the "#" prefix that some services add."""
    code = str(error.response.get("Error", {}).get("Code", "")).rpartition("#")[2]
    # An error without a code is such as a proxy's page.
    return code or f"HTTP {error.response.get('ResponseMetadata', {}).get('HTTPStatusCode', '')}".strip()


def message_of(error: ClientError) -> str:
    """AWS's error message."""
    return str(error.response.get("Error", {}).get("Message", ""))


def on_error(*codes: str, gives: D) -> Callable[[Callable[P, T]], Callable[P, T | D]]:
    """Let a function return `gives` where AWS answers one of its calls with an error of one of these codes."""

    def decorate(function: Callable[P, T]) -> Callable[P, T | D]:
        @wraps(function)
        def call(*args: P.args, **options: P.kwargs) -> T | D:
            try:
                return function(*args, **options)
            except ClientError as error:
                if code_of(error) in codes:
                    return gives
                raise

        return call

    return decorate


def attempt(what: str, permission: str, call: Callable[[], T], profile: str = "") -> T | ReadFailure:
    """Make a call; an AccessDenied, lasting throttling, another error or an invalid response becomes a ReadFailure.

    `what` names what is read, within a sentence; `permission` is the action that the call needs, and `profile` the
    configured one that signs in for it, if any. Raises CouldNotLook where no call would succeed: no credentials,
    expired ones, no network.
    """
    for_profile = _for_profile(profile)
    login = f"`{command('aws', 'sso', 'login', *(('--profile', profile) if profile else ()))}`"
    try:
        return call()
    except ClientError as error:
        if sentence := _refused_credentials(code_of(error), message_of(error), profile):
            raise CouldNotLook(sentence, kind="credentials") from None
        return _failure(what, permission, error)
    except (InvalidResponse, PaginationError) as error:
        # botocore raises the other one where a page names itself as the next.
        named = error if isinstance(error, InvalidResponse) and error.operation else None
        invalid = named or InvalidResponse(permission)
        return ReadFailure(what, invalid.operation, str(invalid), "no-answer", may_have_happened=True)
    except TookTooLong as error:
        return ReadFailure(what, permission, str(error), "no-answer", may_have_happened=True)
    except (NoCredentialsError, PartialCredentialsError):
        set_up = f"`{command('aws', 'configure', 'sso', '--profile', profile)}`"
        way = f"set it up, such as with {set_up}" if profile else f"set AWS_PROFILE or run {login}"
        sentence = f"No AWS credentials were found{for_profile}: {way}, then run again."
        raise CouldNotLook(sentence, kind="credentials") from None
    except (TokenRetrievalError, SSOError):
        sentence = f"The AWS sign-in has expired{for_profile}: run {login}, then run again."
        raise CouldNotLook(sentence, kind="credentials") from None
    except NoRegionError:
        raise UsageError("No region is set: set region in runbook.toml.") from None
    except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
        # Its text has the whole header.
        if _INVALID_HEADER in str(error):
            raise CouldNotLook(_no_credentials(profile, *_LINE_BREAK)) from None
        raise CouldNotLook(_unreachable(permission, error), kind="no-answer") from None
    except OSError as error:
        if not error.filename:
            raise
        # A quoted credential_process is one name with its options, which may be secret.
        program, *options = str(error.filename).split()
        name = f"{program} …" if options else program
        raise CouldNotLook(_no_credentials(profile, f"{name}: {error.strerror}")) from None
    except (EOFError, NotImplementedError):
        raise CouldNotLook(_no_credentials(profile, *_NOBODY_ANSWERS)) from None
    except BotoCoreError as error:
        if isinstance(error, CredentialRetrievalError) and error.kwargs.get("provider") == ProcessProvider.METHOD:
            raise CouldNotLook(_no_credentials(profile, *_PROCESS_FAILS)) from None
        raise CouldNotLook(f"{permission} could not be called: {_first_line(error)}") from None


def look(what: str, permission: str, call: Callable[[], T], region: str = "") -> T | ReadFailure:
    """As `attempt`, for one look of many: that it has no answer does not end the run.

    In another `region` than the run's own, nothing does: a mistyped one has no endpoint, and one that is not enabled
    for the account accepts no credentials. See
    https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
    """
    try:
        return attempt(what, permission, call)
    except CouldNotLook as error:
        if not region and error.kind != "no-answer":
            raise
        doubt = f" If they are accepted elsewhere, {region} is not enabled for the account."
        return ReadFailure(what, permission, f"{error}{doubt if error.kind == 'credentials' else ''}", "incomplete")


_NOBODY_ANSWERS = (
    "their profile asks for an MFA code, and nobody can be asked here",
    "Sign in at a terminal and export the session's credentials, or use a profile without mfa_serial",
)
"""Why, and what to do: getpass found no terminal and an ended input, or a kernel without a person."""
_WRONG_VARIABLE = (
    "a variable that says where they are, such as AWS_CONTAINER_CREDENTIALS_FULL_URI, has no valid value",
    "Correct it",
)
_INVALID_HEADER = "Invalid header value"
_LINE_BREAK = (
    "a key's id or the session token has a line break within or at its end",
    "Remove it where they are set, such as in a file with Windows' line ends",
)
_PROCESS_FAILS = ("credential_process fails, or prints something else", "Run that program by hand to see why")
"""Why, and what to do: what the program says may hold a password, and so is not shown."""


def _no_credentials(profile: str, reason: str, way: str = "Correct the AWS configuration") -> str:
    """Why botocore cannot read the credentials that the AWS configuration or its variables name."""
    return f"The AWS credentials{_for_profile(profile)} cannot be read: {reason}. {way}, then run again."


def _for_profile(profile: str) -> str:
    return f" for profile {quoted(profile)}" if profile else ""


def require(what: str, permission: str, call: Callable[[], T], do: str = "read", profile: str | None = None) -> T:
    """Make a call that must succeed; raises CouldNotLook for any failure, with `do` as the verb of its sentence.

    Of a call that is no read, it says so where AWS may have carried it out all the same. `profile` is as for `attempt`,
    None where the caller does not know it.
    """
    doubt = "" if do == "read" else f" It is unknown whether {permission} took effect."
    try:
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
        raise CouldNotLook(f"{error}{doubt}", kind=error.kind) from None
    if isinstance(answer, ReadFailure):
        is_lost = answer.may_have_happened
        raise CouldNotLook(answer.sentence_for(do) + (doubt if is_lost else ""), kind="no-answer" if is_lost else "")
    return answer


def make_change(what: str, permission: str, call: Callable[[], object], is_done: Callable[[], bool]) -> None:
    """Make a change that must succeed; where its answer is lost, AWS is asked whether it is done.

    Raises CouldNotLook as `require` does, where it is not done, or that cannot be read either.
    """
    try:
        require(what, permission, call, "change")
    except CouldNotLook as error:
        if error.kind == "no-answer":
            with suppress(CouldNotLook):
                if is_done():
                    return
        raise


@overload
def or_none(answer: ReadFailure) -> None: ...
@overload
def or_none(answer: T | ReadFailure) -> T | None: ...
def or_none(answer: Any) -> Any:
    """The answer, or None where it could not be read."""
    return None if isinstance(answer, ReadFailure) else answer


_PERFORM = re.compile(r"is not authorized to perform: ([\w-]+:\w+)")
_ENCRYPTING = frozenset({"CreateSecret", "PutSecretValue", "PutObject"})
"""Operations that encrypt, where KMS refuses them without saying what."""
_EXPLICIT_DENY = re.compile(
    r"explicit deny in (an? (?:identity-based|resource-based|session|VPC endpoint|(?:service|resource) control) policy"
    r"|a permissions boundary)"
)


def _refused_credentials(code: str, message: str, profile: str) -> str:
    """What to do where AWS refuses credentials, or this machine's time, so; "" for what it says of anything else."""
    if code in _SKEWED or message.startswith(_WRONG_TIME):
        return f"This machine's clock differs from AWS's by minutes ({code}): set it, then run again."
    if code in EXPIRED:
        for_profile = _for_profile(profile)
        return f"The AWS credentials have expired{for_profile} ({code}): sign in again, then run again."
    if code in INVALID:
        where = f"correct profile {quoted(profile)}" if profile else "check AWS_PROFILE or AWS_ACCESS_KEY_ID"
        return f"AWS does not accept these credentials ({code}): {where}."
    return ""


def _failure(what: str, permission: str, error: ClientError) -> ReadFailure:
    code = code_of(error)
    # Of several calls made together, the failed operation names the permission.
    missing = f"{permission.partition(':')[0]}:{error.operation_name}"
    if code in DENIED:
        message = message_of(error)
        # A call may need another permission too, such as iam:PassRole or a key's.
        match = _PERFORM.search(message)
        of_key = "kms:GenerateDataKey" if error.operation_name in _ENCRYPTING else "kms:Decrypt"
        permission = match[1] if match else of_key if "KMS" in message else missing
        explicit = _EXPLICIT_DENY.search(message)
        return ReadFailure(what, permission, code, "denied", explicit[1] if explicit else "")
    if code in THROTTLED:
        # Not carried out, although the status of S3 and EC2 is 503.
        return ReadFailure(what, missing, code, "throttled")
    is_lost = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= FIRST_SERVER_ERROR
    return ReadFailure(what, missing, code, "failed", may_have_happened=is_lost)


def _unreachable(permission: str, error: BotoCoreError) -> str:
    """Why AWS was not reached; a sandbox that has ended leaves its variables in the shell."""
    endpoint = os.environ.get(ENDPOINT_VARIABLE, "")
    if isinstance(error, EndpointConnectionError) and urlsplit(endpoint).hostname in ("127.0.0.1", "localhost"):
        unset, in_fish = unset_commands(*(name for name in SANDBOX_VARIABLES if name in os.environ))
        return (
            f"AWS cannot be reached: nothing answers at {ENDPOINT_VARIABLE} ({endpoint}). If that was a sandbox, it no"
            f" longer runs, and its variables are still set: run `{unset}`, in fish `{in_fish}`, or start another."
        )
    call = error.kwargs.get("operation") or permission
    return f"AWS cannot be reached: {call} has no answer. {_first_line(error)} Check the network, then run again."


def _first_line(error: BotoCoreError) -> str:
    return str(error).splitlines()[0].rstrip(".") + "."
