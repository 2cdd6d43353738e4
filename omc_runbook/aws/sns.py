"""SNS: a message to a topic's subscribers, and who they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omc_runbook.aws.answer import parse_object
from omc_runbook.aws.failures import on_error
from omc_runbook.iam.policy import PolicyDocument

SUBJECT = 99
"""The longest subject, in characters: SNS takes less than a hundred."""

MESSAGE = 262_144
"""The longest message, in bytes of UTF-8."""

CUT = "\n… and more, which is in the run's record."
"""How a message ends that was too long."""

PENDING = "PendingConfirmation"
"""The SubscriptionArn of an address whose owner has not confirmed."""


def publish(client: Any, topic_arn: str, subject: str, message: str) -> None:
    """Publish a message; it and its subject are shortened, and the subject has "?" for what is not ASCII.

    See https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
    """
    text = " ".join(subject.split()).encode("ascii", "replace").decode()
    client.publish(TopicArn=topic_arn, Subject=text[:SUBJECT], Message=_shorten(message))


def _shorten(message: str) -> str:
    content = message.encode()
    if len(content) <= MESSAGE:
        return message
    return content[: MESSAGE - len(CUT.encode())].decode(errors="ignore") + CUT


@dataclass(frozen=True)
class Topic:
    """Who gets a topic's messages: the protocols of those who confirmed, and of those who did not yet."""

    arn: str
    confirmed: tuple[str, ...]
    pending: tuple[str, ...]
    policy: PolicyDocument | None = None
    """Who may publish to it; None where it has no policy."""
    key: str = ""
    """The id, ARN or alias of the key that encrypts its messages; "" for none."""

    @property
    def is_closed(self) -> bool:
        """Whether it is encrypted with the AWS managed key, whose policy lets no service of AWS publish, nor changes.

        See https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
        """
        return self.key.rpartition(":")[2] == "alias/aws/sns"


@on_error("NotFound", "NotFoundException", gives=None)
def find_topic(client: Any, arn: str) -> Topic | None:
    """A topic with its subscriptions and policy; None where there is no such topic.

    See https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html and
    https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html
    """
    attributes = client.get_topic_attributes(TopicArn=arn)["Attributes"]
    pages = [*client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)]
    subscriptions = [each for page in pages for each in page["Subscriptions"]]
    confirmed = [each["Protocol"] for each in subscriptions if each["SubscriptionArn"].startswith("arn:")]
    pending = [each["Protocol"] for each in subscriptions if each["SubscriptionArn"] == PENDING]
    text = attributes.get("Policy")
    policy = PolicyDocument(f"the policy of topic {arn}", "resource", parse_object(text)) if text else None
    return Topic(arn, tuple(confirmed), tuple(pending), policy, attributes.get("KmsMasterKeyId", ""))
