"""A message to a topic, with a subject that SNS takes."""

from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber

from omc_runbook.aws import sns

TOPIC = "arn:aws:sns:eu-west-1:123456789012:oncall"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("verify on staging:\n no-permission", "verify on staging: no-permission"),
        ("Zürich", "Z?rich"),
        ("x" * 99, "x" * 99),
        ("x" * 100, "x" * 99),
    ],
    ids=["two lines", "not ASCII", "the longest", "too long"],
)
def test_the_subject_is_one_that_sns_takes(subject: str, expected: str) -> None:
    """One line of ASCII, of less than a hundred characters; the message stays as it is."""
    client = boto3.client("sns", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        request = {"TopicArn": TOPIC, "Subject": expected, "Message": "Zürich\n"}
        stub.add_response("publish", {"MessageId": "1"}, request)
        sns.publish(client, TOPIC, subject, "Zürich\n")
        stub.assert_no_pending_responses()


@pytest.mark.parametrize("message", ["x" * 262_144, "ü" * 131_072, "x" * 262_145, "xü" * 100_000])
def test_a_message_that_is_too_long_is_cut(message: str) -> None:
    """Of a fleet in which everything is broken, SNS would take no message, and nobody would hear of it."""
    messages: list[str] = []
    client = boto3.client("sns", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    client.meta.events.register(
        "provide-client-params.sns.Publish", lambda params, **_: messages.append(params["Message"])
    )
    with Stubber(client) as stub:
        stub.add_response("publish", {"MessageId": "1"})
        sns.publish(client, TOPIC, "A subject", message)
    (sent,) = messages
    is_whole = len(message.encode()) <= 262_144
    beginning, end, rest = sent.partition("\n… and more, which is in the run's record.")
    assert len(sent.encode()) <= 262_144 and rest == "" and bool(end) != is_whole
    assert message.startswith(beginning) and len(sent.encode()) > 262_100 - 2


@pytest.mark.parametrize("key", ["", "alias/aws/sns"])
def test_a_topics_key_is_read(key: str) -> None:
    """SNS tells of it as it was set, and of none where nothing encrypts the topic."""
    client = boto3.client("sns", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        stub.add_response("get_topic_attributes", {"Attributes": {"KmsMasterKeyId": key} if key else {}})
        stub.add_response("list_subscriptions_by_topic", {"Subscriptions": []})
        topic = sns.find_topic(client, TOPIC)
    assert topic and (topic.key, topic.is_closed) == (key, bool(key))
