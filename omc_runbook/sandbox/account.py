"""The AWS account that a sandbox stands in for, and the worlds that it can start from."""

from typing import Literal

WorldName = Literal["healthy", "fresh"]
ACCOUNT = "123456789012"
REGION = "ap-southeast-2"
MEMBER_ADMINISTRATOR = "OrganizationAccountAccessRole"
"""The role that an organization creates in each member account; worlds use it to reach other accounts."""
