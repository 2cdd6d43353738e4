"""SNS: a message to a topic's subscribers."""

from __future__ import annotations

from typing import Any

SUBJECT = 99
"""The longest subject, in characters: SNS takes less than a hundred."""


def publish(client: Any, topic_arn: str, subject: str, message: str) -> None:
    """Publish a message; the subject is shortened, and has "?" for what is not ASCII.

    See https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
    """
    text = " ".join(subject.split()).encode("ascii", "replace").decode()
    client.publish(TopicArn=topic_arn, Subject=text[:SUBJECT], Message=message)
