"""SNS with subscriptions that wait for a confirmation.

https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
"""

from typing import Any

from moto.core.responses import ActionResult
from moto.sns.exceptions import SNSInvalidParameter
from moto.sns.models import Subscription
from moto.sns.responses import SNSResponse

_ASKED = ("email", "email-json", "http", "https")
"""Protocols whose endpoint has to confirm."""


_deliver = Subscription.publish


def _publish(subscription: Subscription, *message: Any, **details: Any) -> None:
    """Deliver within the sandbox only: an endpoint that is slow, or is the sandbox itself, would block all calls."""
    if subscription.protocol not in _ASKED:
        _deliver(subscription, *message, **details)


Subscription.publish = _publish  # type: ignore[method-assign, assignment]


class SandboxSns(SNSResponse):
    """moto's topics; subscribers by mail or HTTP get nothing before the endpoint has confirmed."""

    def list_subscriptions_by_topic(self) -> ActionResult:
        """A topic's subscriptions; one that waits has no ARN yet."""
        found, token = self.backend.list_subscriptions_by_topic(
            self._get_param("TopicArn"), next_token=self._get_param("NextToken")
        )
        return ActionResult({"Subscriptions": [*map(_describe, found)], "NextToken": token})

    def confirm_subscription(self) -> ActionResult:
        """Confirm; the token, which nobody gets by mail here, is the endpoint."""
        topic, token = self._get_param("TopicArn"), self._get_param("Token")
        found, _ = self.backend.list_subscriptions_by_topic(topic)
        for each in found:
            if each.endpoint == token:
                each.confirmed = True
                return ActionResult({"SubscriptionArn": each.arn})
        raise SNSInvalidParameter("Invalid parameter: Token")


def _describe(each: Subscription) -> dict[str, Any]:
    is_waiting = each.protocol in _ASKED and not each.confirmed
    return {
        "SubscriptionArn": "PendingConfirmation" if is_waiting else each.arn,
        "Owner": each.account_id,
        "Protocol": each.protocol,
        "Endpoint": each.endpoint,
        "TopicArn": each.topic.arn,
    }
