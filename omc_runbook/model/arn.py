"""The fields of an ARN, arn:partition:service:region:account:resource; an IndexError for a text without them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from __future__ import annotations


def partition_in(arn: str) -> str:
    """The partition, such as "aws" or "aws-us-gov"."""
    return arn.split(":", 2)[1]


def service_in(arn: str) -> str:
    """The service, such as "secretsmanager"."""
    return arn.split(":", 3)[2]


def region_in(arn: str) -> str:
    """The region, "" for a global service's."""
    return arn.split(":", 4)[3]


def function_in(arn: str) -> str:
    """The name of a Lambda function, without a version or an alias."""
    return arn.split(":", 7)[6]


def log_group_in(arn: str) -> str:
    """The name of a log group of CloudWatch Logs, whose ARN may end with ":*"."""
    return arn.split(":", 6)[6].removesuffix(":*")


def account_in(arn: str) -> str:
    """The account's number, "" where the ARN has none."""
    return arn.split(":", 5)[4]


def name_in(arn: str) -> str:
    """What follows the last slash, such as a role's name or a task's id; a name alone is its own."""
    return arn.rpartition("/")[2]
