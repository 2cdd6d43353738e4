"""What a failed call means: which permission is missing, what to sign in to, and what to do."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar, overload
from urllib.parse import urlsplit

from botocore.credentials import ContainerProvider, ProcessProvider
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    InfiniteLoopConfigError,
    InvalidConfigError,
    LoginError,
    LoginInsufficientPermissions,
    NoCredentialsError,
    NoRegionError,
    PaginationError,
    ParamValidationError,
    PartialCredentialsError,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
    UnknownCredentialError,
)

from omc_runbook.aws.answer import InvalidResponse
from omc_runbook.aws.calls import TookTooLong
from omc_runbook.aws.credential_process import NoCredentialsInTime
from omc_runbook.aws.lost_answer import FIRST_SERVER_ERROR
from omc_runbook.model.errors import OUT_OF_FILES, CouldNotLook, Interrupted, UsageError
from omc_runbook.model.handover import ENDPOINT_VARIABLE, NOTEBOOK_VARIABLE, SANDBOX_VARIABLES
from omc_runbook.model.parameters import quoted
from omc_runbook.model.refusal import refusals, refused_action
from omc_runbook.model.shell import command, unset_commands
from omc_runbook.model.time_limits import PROGRAM_SECONDS

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
        "TooManyRequestsError",
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
    ("", "IDPCommunicationError"): (
        "AWS STS cannot reach the identity provider of the web identity token: run again in a minute."
    ),
    ("", "RegionDisabledException"): (
        "AWS STS is not activated in this region: have it activated in the account settings of IAM's console."
    ),
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
_REFUSED_STATUS = re.compile(r"(?:HTTP )?[34]\d\d")
"""What stands in place of a code where a refusal has none: the answer's status, also of a way to a page to sign in."""
_NO_CODE = (
    "AWS's refusals have a code, which this one lacks: a proxy may have answered in its place. Check the network, then"
    " run again."
)


NO_ANSWER, CHECK_NETWORK = "AWS cannot be reached:", "Check the network, then run again."
"""What a sentence on a call without an answer begins and ends with."""


CALL_ERRORS = (BotoCoreError, ClientError, OSError, RuntimeError, EOFError)
"""What a call raises where it fails: botocore's errors, and those of a program, a file or a prompt that signs in."""
PROFILE = "profile"
"""The attribute of such an error that names the configured profile with which the call was to sign in."""
SOURCE = "source_profile"
"""The attribute that names the profile from which that one takes its credentials, where there is one."""


@dataclass(frozen=True)
class ReadFailure:
    """Something that could not be read, and the permission that would help.

    `what` names it within a sentence; `code` is AWS's error code, or for "no-answer" and "incomplete" sentences,
    such as that an answer cannot have everything, and what next. `denied_by` is where an explicit deny is, by AWS's
    message, such as "a resource-based policy": no permission overrides it.
    """

    what: str
    permission: str
    code: str
    kind: Literal["denied", "throttled", "failed", "no-answer", "incomplete"]
    denied_by: str = ""
    may_have_happened: bool = field(default=False, compare=False)
    """Whether AWS may have carried it out in spite of the failure: the answer was lost, or is an error of AWS's own."""

    @property
    def is_told(self) -> bool:
        """Whether `code` says in sentences why it could not be read, and what next."""
        return self.kind in ("no-answer", "incomplete")

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
        if self.is_told:
            return f"Could not {verb} {self.what}: {self.code}"
        failed = f"Could not {verb} {self.what}: {self.permission} failed with {self.code}."
        return f"{failed} {_next_step(self.permission, self.code)}".rstrip()

    @property
    def says_next(self) -> bool:
        """Whether its sentence says what to do before a change is made again."""
        return _next_step(self.permission, self.code) == _GONE


def _next_step(permission: str, code: str) -> str:
    """What to do about an error, in sentences; "" where its code alone says so."""
    known = _NEXT.get((permission, code)) or _NEXT.get(("", code), "")
    return known or (_NO_CODE if _REFUSED_STATUS.fullmatch(code) else "")


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
                if is_answer(error, *codes):
                    return gives
                raise

        return call

    return decorate


def is_answer(error: ClientError, *codes: str) -> bool:
    """Whether AWS answers a call with one of these codes; what it answers to botocore's own sign-in says nothing."""
    return code_of(error) in codes and error.operation_name not in _SIGN_IN


@contextmanager
def changing(permission: str) -> Iterator[None]:
    """Let an interrupt in a call that changes something say that the call may still take effect."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        doubt = f"{permission.partition(':')[2]} may still take effect: run again to continue."
        raise KeyboardInterrupt(Interrupted(f"{str(interrupt) or 'Interrupted.'} {doubt}", says_next=True)) from None


def attempt(what: str, permission: str, call: Callable[[], T], profile: str = "") -> T | ReadFailure:
    """Make a call; an AccessDenied, lasting throttling, another error or an invalid response becomes a ReadFailure.

    `what` names what is read, within a sentence; `permission` is the action that the call needs, and `profile` the
    configured one that signs in for it, if any, unless the call is one of `Clients`, whose errors name it. Raises
    CouldNotLook where no call would succeed: no credentials, expired ones, a sign-in that AWS refuses, no network.
    """
    try:
        return call()
    except CALL_ERRORS as error:
        return _explained(what, permission, error, profile or getattr(error, PROFILE, ""))


def _explained(what: str, permission: str, error: Exception, profile: str) -> ReadFailure:
    """The failure that an error of a call is; raises CouldNotLook as `attempt` does, and the error that is none."""
    for_profile = _for_profile(profile)
    signs_in = getattr(error, SOURCE, "") or profile
    of_profile = ("--profile", signs_in) if signs_in else ()
    login = f"`{command('aws', 'sso', 'login', *of_profile)}`"
    match error:
        case ClientError():
            service = "" if permission.endswith(f":{error.operation_name}") else _SIGN_IN.get(error.operation_name, "")
            # Keys in variables come before a profile that another variable names.
            if sentence := _refused_credentials(error, profile and signs_in):
                raise CouldNotLook(sentence, kind="credentials") from None
            # botocore asks that service, whichever the call was for.
            failure = _failure(what, f"{service}:{error.operation_name}" if service else permission, error)
            if service and _is_final(failure):
                raise CouldNotLook(_refused_sign_in(failure, message_of(error), profile), kind="credentials") from None
            return failure
        case InvalidResponse() | PaginationError():
            # botocore raises the other one where a page names itself as the next.
            invalid = error if isinstance(error, InvalidResponse) and error.operation else InvalidResponse(permission)
            sentence = f"{invalid} {CHECK_NETWORK}"
            return ReadFailure(what, invalid.operation, sentence, "no-answer", may_have_happened=True)
        case TookTooLong():
            return ReadFailure(what, permission, f"{error} {CHECK_NETWORK}", "no-answer", may_have_happened=True)
        case NoCredentialsError() | PartialCredentialsError():
            set_up = f"`{command('aws', 'configure', 'sso', '--profile', profile)}`"
            way = f"set it up, such as with {set_up}" if profile else f"set AWS_PROFILE or run {login}"
            sentence = f"No AWS credentials were found{for_profile}: {way}, then run again."
            raise CouldNotLook(sentence, kind="credentials") from None
        case NoRegionError():
            raise UsageError("No region is set: set region in runbook.toml.") from None
        case ConnectionError() | HTTPClientError() | IncompleteReadError():
            # Its text has the whole header.
            if _INVALID_HEADER in str(error):
                raise CouldNotLook(no_credentials(profile, *_LINE_BREAK)) from None
            raise CouldNotLook(_unreachable(permission, error), kind="no-answer") from None
        case OSError():
            if not error.filename:
                raise error
            if error.errno == errno.EMFILE:
                # Such as a model of botocore's that a new client needs: nothing is wrong with the credentials.
                raise CouldNotLook(OUT_OF_FILES) from None
            # A quoted credential_process is one name with its options, which may be secret.
            program, *options = str(error.filename).split()
            name = f"{program} …" if options else program
            raise CouldNotLook(no_credentials(profile, f"{name}: {error.strerror}")) from None
        case EOFError() | NotImplementedError():
            raise CouldNotLook(no_credentials(profile, *_NOBODY_ANSWERS)) from None
        case RuntimeError():
            # botocore has no class of its own for it.
            if _STILL_EXPIRED not in str(error):
                raise error
            raise CouldNotLook(no_credentials(profile, *_EXPIRED_AT_SOURCE), kind="credentials") from None
        case NoCredentialsInTime():
            raise CouldNotLook(no_credentials(profile, *_PROCESS_HANGS)) from None
        case RefreshWithMFAUnsupportedError():
            raise CouldNotLook(no_credentials(profile, *_MFA_ENDED), kind="credentials") from None
        case LoginInsufficientPermissions():
            raise CouldNotLook(no_credentials(profile, *_MAY_NOT_LOG_IN), kind="credentials") from None
        case TokenRetrievalError() | SSOError() | LoginError():
            again = f"`{command('aws', 'login', *of_profile)}`" if isinstance(error, LoginError) else login
            sentence = f"The AWS sign-in has expired{for_profile}: run {again}, then run again."
            raise CouldNotLook(sentence, kind="credentials") from None
        case BotoCoreError():
            provider = error.kwargs.get("provider") if isinstance(error, CredentialRetrievalError) else ""
            if reason := _PROVIDERS.get(provider) or _invalid_setting(permission, error):
                raise CouldNotLook(no_credentials(profile, *reason)) from None
            way = " Correct the AWS configuration, then run again." if isinstance(error, _OF_THE_CONFIGURATION) else ""
            raise CouldNotLook(f"{permission} could not be called: {_first_line(error)}{way}") from None
        case _:
            raise error


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
        if error.kind == "no-answer":
            # Of another region, how its name was not found says less than the name.
            away = f"{NO_ANSWER} {permission} has no answer from {region}. {CHECK_NETWORK}"
            return ReadFailure(what, permission, away if region else str(error), "no-answer")
        doubt = f" If they are accepted elsewhere, {region} is not enabled for the account."
        return ReadFailure(what, permission, f"{error}{doubt if error.kind == 'credentials' else ''}", "incomplete")


_NOBODY_ANSWERS = (
    "their profile asks for an MFA code, and nobody can be asked here",
    "Sign in at a terminal and export the session's credentials, or use a profile without mfa_serial",
)
"""Why, and what to do: getpass found no terminal and an ended input, or a kernel without a person."""
WRONG_VARIABLE = (
    "a variable that says where they are, such as AWS_CONTAINER_CREDENTIALS_FULL_URI, has no valid value, or what"
    " answers there gives no credentials",
    "Correct it",
)
_STILL_EXPIRED = "refreshed credentials are still expired"
_EXPIRED_AT_SOURCE = (
    "where they come from, such as credential_process, gives expired ones",
    "Sign in there again, or set this machine's clock if it is wrong",
)
_INVALID_HEADER = "Invalid header value"
_LINE_BREAK = (
    "a key's id or the session token has a line break within or at its end",
    "Remove it where they are set, such as in a file with Windows' line ends",
)
_PROCESS_HANGS = (
    f"credential_process gave no answer within {PROGRAM_SECONDS:.0f} seconds, and was ended",
    "Run that program by hand to see what it waits for",
)
PROCESS_FAILS = ("credential_process fails, or prints something else", "Run that program by hand to see why")
"""Why, and what to do: what the program says may hold a password, and so is not shown."""
_ENDPOINT_FAILS = (
    "the endpoint that AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI names gives none",
    "See that it answers here, and that the task or pod has a role",
)
"""Why, and what to do: what it answers may be anything, and so is not shown."""
_PROVIDERS = {ProcessProvider.METHOD: PROCESS_FAILS, ContainerProvider.METHOD: _ENDPOINT_FAILS}
_OF_THE_CONFIGURATION = (CredentialRetrievalError, InfiniteLoopConfigError, InvalidConfigError, UnknownCredentialError)
_MFA_ENDED = ("the session that an MFA code began has ended", "Have the device's next code at hand")
_MAY_NOT_LOG_IN = (
    "AWS does not let their sign-in be renewed",
    "Allow who signs in the permission signin:CreateOAuth2Token",
)


def no_credentials(profile: str, reason: str, way: str = "Correct the AWS configuration") -> str:
    """Why botocore cannot read the credentials that the AWS configuration or its variables name."""
    return f"The AWS credentials{_for_profile(profile)} cannot be read: {reason}. {way}, then run again."


def _for_profile(profile: str) -> str:
    return f" for profile {quoted(profile)}" if profile else ""


@overload
def or_none(answer: ReadFailure) -> None: ...
@overload
def or_none(answer: T | ReadFailure) -> T | None: ...
def or_none(answer: Any) -> Any:
    """The answer, or None where it could not be read."""
    return None if isinstance(answer, ReadFailure) else answer


_SIGN_IN = {
    "AssumeRole": "sts",
    "AssumeRoleWithWebIdentity": "sts",
    "GetRoleCredentials": "sso",
    "CreateOAuth2Token": "signin",
}
"""What botocore calls by itself before any other call, where a profile or variables say so, with its service."""
_TOKEN_REFUSED = frozenset({"InvalidIdentityToken", "ExpiredTokenException", "IDPRejectedClaim"})
_NEW_TOKEN = (
    "Have a new one written to the file that AWS_WEB_IDENTITY_TOKEN_FILE or web_identity_token_file names, and see that"
    " the role's account has its identity provider"
)
_NOT_ASSIGNED = "AWS IAM Identity Center does not give the role that sso_role_name and sso_account_id name"
_ASSIGN = "Have it assigned to you there, or correct both in the AWS configuration"
_MFA_FAILED = "MultiFactorAuthentication failed"
_NEW_CODE = "Enter the next code of the device that mfa_serial names, since each works once"
_PARAMETER = re.compile(r"for parameter (\w+),")
_SETTINGS = {
    "RoleArn": "role_arn",
    "RoleSessionName": "role_session_name",
    "ExternalId": "external_id",
    "DurationSeconds": "duration_seconds",
    "SerialNumber": "mfa_serial",
}
"""What a profile calls the parameters of AssumeRole."""
_ENCRYPTING = frozenset({"CreateSecret", "PutSecretValue", "PutObject"})
"""Operations that encrypt, where KMS refuses them without saying what."""
_EXPLICIT_DENY = re.compile(
    r"explicit deny in (an? (?:identity-based|resource-based|session|VPC endpoint|(?:service|resource) control) policy"
    r"|a permissions boundary)"
)


def _refused_credentials(error: ClientError, profile: str) -> str:
    """What to do where AWS refuses credentials, or this machine's time, so; "" for what it says of anything else.

    `profile` is the one that has them: where another assumes a role with them, that one is right.
    """
    code, message = code_of(error), message_of(error)
    if error.operation_name == "AssumeRoleWithWebIdentity" and code in _TOKEN_REFUSED:
        return no_credentials(profile, f"AWS does not accept the web identity token ({code})", _NEW_TOKEN)
    if code in _SKEWED or message.startswith(_WRONG_TIME):
        return f"This machine's clock differs from AWS's by minutes ({code}): set it, then run again."
    if code in EXPIRED:
        for_profile = _for_profile(profile)
        return f"The AWS credentials have expired{for_profile} ({code}): sign in again, then run again."
    if code in INVALID:
        where = f"correct profile {quoted(profile)}" if profile else "check AWS_PROFILE or AWS_ACCESS_KEY_ID"
        return f"AWS does not accept these credentials ({code}): {where}."
    return ""


def _invalid_setting(permission: str, error: BotoCoreError) -> tuple[str, ...]:
    """Why botocore makes no call to sign in, and what to do; () where the error is another.

    Of values it checks the least length alone, or the least number.
    """
    match = _PARAMETER.search(str(error)) if isinstance(error, ParamValidationError) else None
    if not match or permission == "sts:AssumeRole":
        return ()
    if match[1] == "TokenCode":
        return "an MFA code has six digits", _NEW_CODE
    if match[1] == "WebIdentityToken":
        return "the web identity token is empty", _NEW_TOKEN
    setting = _SETTINGS.get(match[1])
    way = "Correct it in the AWS configuration or its variables"
    return (f"{setting} is too short", way) if setting else ()


def _is_final(failure: ReadFailure) -> bool:
    """Whether no later call would succeed, and nothing else says what to do."""
    is_told = failure.may_have_happened or bool(_next_step("", failure.code))
    return failure.kind == "denied" or (failure.kind == "failed" and not is_told)


def _refused_sign_in(failure: ReadFailure, message: str, profile: str) -> str:
    """What to do where AWS refuses what botocore was to sign in with."""
    if failure.permission == "sso:GetRoleCredentials":
        return no_credentials(profile, f"{_NOT_ASSIGNED} ({failure.code})", _ASSIGN)
    if failure.kind == "failed":
        way = "Sign in again" if failure.permission.startswith("signin:") else "Correct the AWS configuration"
        return no_credentials(profile, f"{failure.permission} failed with {failure.code}", way)
    if message.startswith(_MFA_FAILED):
        return no_credentials(profile, f"AWS does not accept the MFA code ({failure.code})", _NEW_CODE)
    arn = next((each for _, each in refusals(message) if each.startswith("arn:")), "")
    role = f"role {arn}" if arn else "the role that the AWS configuration or its variables name"
    if failure.denied_by:
        reason = f"an explicit deny in {failure.denied_by} forbids {failure.permission} on {role}"
        return no_credentials(profile, reason, "Have that deny changed, or sign in with another profile")
    way = f"Allow who assumes it {failure.permission} on it, and see that its trust policy names them"
    return no_credentials(profile, f"AWS does not let {role} be assumed ({failure.code})", way)


def _failure(what: str, permission: str, error: ClientError) -> ReadFailure:
    code = code_of(error)
    # Of several calls made together, the failed operation names the permission.
    missing = f"{permission.partition(':')[0]}:{error.operation_name}"
    if code in DENIED:
        message = message_of(error)
        of_key = "kms:GenerateDataKey" if error.operation_name in _ENCRYPTING else "kms:Decrypt"
        permission = refused_action(message) or (of_key if "KMS" in message else missing)
        explicit = _EXPLICIT_DENY.search(message)
        return ReadFailure(what, permission, code, "denied", explicit[1] if explicit else "")
    if code in THROTTLED:
        # Not carried out, although the status of S3 and EC2 is 503.
        return ReadFailure(what, missing, code, "throttled")
    is_lost = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= FIRST_SERVER_ERROR
    return ReadFailure(what, missing, code, "failed", may_have_happened=is_lost)


def _unreachable(permission: str, error: BotoCoreError) -> str:
    """Why AWS was not reached; a sandbox that has ended leaves its variables in the shell, or in JupyterLab."""
    endpoint = os.environ.get(ENDPOINT_VARIABLE, "")
    if isinstance(error, EndpointConnectionError) and urlsplit(endpoint).hostname in ("127.0.0.1", "localhost"):
        unset, in_fish = unset_commands(*(name for name in SANDBOX_VARIABLES if name in os.environ))
        remedy = f"run `{unset}`, in fish `{in_fish}`, or start another"
        if NOTEBOOK_VARIABLE in os.environ:
            # Its kernels get the variables that it was started with.
            remedy = (
                "end JupyterLab, and start it with a new one by `omc-runbook lab --sandbox`, or without the variables"
            )
        return (
            f"AWS cannot be reached: nothing answers at {ENDPOINT_VARIABLE} ({endpoint}). If that was a sandbox, it no"
            f" longer runs, and its variables are still set: {remedy}."
        )
    call = error.kwargs.get("operation") or permission
    return f"{NO_ANSWER} {call} has no answer. {_first_line(error)} {CHECK_NETWORK}"


def _first_line(error: BotoCoreError) -> str:
    return str(error).splitlines()[0].rstrip(".") + "."
