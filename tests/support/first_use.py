"""What libraries make at their first use, made before a process forks: templates, patterns, grammars and models."""

from functools import lru_cache

import botocore.session
import hcl2

from omc_runbook.aws.session import load_models
from omc_runbook.masking import common, guesses
from omc_runbook.sandbox.account import REGION

_TREES = 64
SERVICES = (
    *("secretsmanager", "ecs", "iam", "logs", "cloudtrail", "sts", "kms", "ec2"),
    *("events", "scheduler", "organizations", "cloudwatch", "sns", "ssm", "lambda", "s3"),
)


def use_libraries() -> None:
    """Use once what a look at AWS, a checkout and a value's strength uses; botocore's models are shared already."""
    # Many a test has a checkout with the same files.
    hcl2.parses_to_tree = lru_cache(_TREES)(hcl2.parses_to_tree)
    hcl2.loads('resource "a" "b" {\n  c = jsonencode([{ d = "${var.e}" }])\n}\n')
    common.is_common("a word")
    guesses.estimate("a word 4 you")
    load_models(*SERVICES)
    # Without AWS_PROFILE, which may name a profile that does not exist.
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    for service in SERVICES:
        session.create_client(service, REGION, aws_access_key_id="id", aws_secret_access_key="key")
