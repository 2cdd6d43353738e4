"""Calls that AWS would carry out twice: botocore does not repeat one whose answer is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    SSLError,
)

if TYPE_CHECKING:
    from botocore.hooks import BaseEventHooks
    from botocore.model import OperationModel

_ONCE = ("ecs.UpdateService",)
"""Operations that take no token by which AWS would know a repeated call."""
_NOT_SENT = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError, SSLError)
FIRST_SERVER_ERROR = 500


class AnswerLost(BotoCoreError):
    """A call that AWS may have carried out; `error` is what came instead of its answer."""

    fmt = "{operation} may have been carried out: {error}"

    def __init__(self, operation: str, error: BotoCoreError | ClientError) -> None:
        super().__init__(operation=operation, error=error)
        self.error = error


def refuse_repetition(events: BaseEventHooks) -> None:
    """Make such a call raise AnswerLost where its answer is lost; calls that AWS refuses or throttles fail as usual.

    See https://docs.aws.amazon.com/boto3/latest/guide/retries.html
    """
    for operation in _ONCE:
        events.register(f"needs-retry.{operation}", _raise_lost)


def _raise_lost(operation: OperationModel, response: Any, caught_exception: Exception | None, **_: object) -> None:
    if isinstance(caught_exception, BotoCoreError) and not isinstance(caught_exception, _NOT_SENT):
        raise AnswerLost(operation.name, caught_exception)
    if response and response[0].status_code >= FIRST_SERVER_ERROR:
        raise AnswerLost(operation.name, ClientError(response[1], operation.name))
