"""The Terraform module schedules/eventbridge, with values for its variables."""

from __future__ import annotations

from functools import partial

from support.paths import ROOT

from omc_runbook.sandbox.account import REGION
from omc_runbook.terraform.evaluation import Module, Stack
from omc_runbook.terraform.expressions import Result
from omc_runbook.terraform.files import TerraformFiles

ENVIRONMENTS = ("staging", "production")
BUCKET = "records"


def verify_module(policy: str = "{}", records_kms_key_arn: str = f"arn:aws:kms:{REGION}:123456789012:key/1") -> Module:
    """The module as a person calls it for two environments."""
    variables = {
        "environments": {
            name: {"policy": policy, "schedule": "rate(1 hour)", "variables": {"OMC_REGION": REGION}}
            for name in ENVIRONMENTS
        },
        "cluster_arn": f"arn:aws:ecs:{REGION}:123456789012:cluster/schedules",
        "repository_arn": f"arn:aws:ecr:{REGION}:123456789012:repository/omc-runbook",
        "image": f"123456789012.dkr.ecr.{REGION}.amazonaws.com/omc-runbook@sha256:{'0' * 64}",
        "subnets": ["subnet-1"],
        "security_groups": ["sg-1"],
        "records_bucket": BUCKET,
        "records_kms_key_arn": records_kms_key_arn,
    }
    root = ROOT / "schedules" / "eventbridge"
    files = TerraformFiles(root)
    inputs = {name: partial(Result, value) for name, value in variables.items()}
    return Module(Stack(files, root, "default"), root, files.folder(root), inputs)
