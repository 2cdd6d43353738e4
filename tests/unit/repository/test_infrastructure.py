"""Tests of what a checkout describes of AWS without Terraform."""

from pathlib import Path

import pytest
from support.files import write_files
from support.snapshots import healthy

from omc_runbook.changes.add_key.key import NewKey
from omc_runbook.changes.add_key.surroundings import find_surroundings
from omc_runbook.repository.checkout import read_checkout

SETTINGS = "from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    SECRET_KEY: str\n"
NEW, SECRET = "NEWS_API_KEY", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-AbCdEf"
COPILOT = "secrets:\n  {0}:\n    secretsmanager: 'app:{0}::'\n  # secretsmanager: 'app:NEWS_API_KEY::'\n"
TOOLS: dict[str, tuple[dict[str, str], str, int]] = {
    "Copilot": ({"copilot/.workspace": "application: a\n"}, "copilot/api/manifest.yml", 3),
    "CloudFormation": ({}, "cfn/app.yaml", 5),
    "the AWS CDK": (
        {"infra/cdk.json": "{}\n", "infra/cdk.out/a.json": '["SECRET_KEY", "secretsmanager"]'},
        "infra/lib/api.ts",
        1,
    ),
    "ecspresso": ({"deploy/ecspresso.yml": "cluster: a\n"}, "deploy/api.jsonnet", 1),
    "the ECS CLI": ({}, "ecs-params.yml", 6),
}
TEXTS = {
    "Copilot": COPILOT,
    "CloudFormation": "R:\n  Type: AWS::ECS::TaskDefinition\n  Secrets:\n    - Name: {0}\n      ValueFrom: !Ref {0}\n",
    "the AWS CDK": 'secrets: {{ {0}: ecs.Secret.fromSecretsManager(secret, "{0}") }},\n',
    "ecspresso": f"local secrets = [{{{{ name: '{{0}}', valueFrom: '{SECRET}:{{0}}::' }}}}];\n",
    "the ECS CLI": f"task_definition:\n  services:\n    api:\n      secrets:\n        - value_from: {SECRET}:{{0}}::\n"
    "          name: {0}\n",
}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_new_key_s_place_is_named_where_another_tool_has_the_references(tool: str, tmp_path: Path) -> None:
    """By file and line of a key that the secret has; not once the new one is there."""
    files, name, line = TOOLS[tool]
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "app/config.py": SETTINGS} | files)
    write_files(tmp_path, {name: TEXTS[tool].format("SECRET_KEY")})
    key = NewKey(NEW, "News", "", False, "str", ())

    def places() -> list[tuple[str, int]]:
        checkout = read_checkout(tmp_path)
        assert len(checkout.other_tools) == 1 and tool in checkout.other_tools[0]
        return [
            (each.file, each.line) for each in find_surroundings({"staging": healthy()}, checkout, key, ()).locations
        ]

    assert places() == [(name, line)]
    write_files(tmp_path, {name: TEXTS[tool].format(NEW) + TEXTS[tool].format("SECRET_KEY")})
    assert not places()


def test_an_application_that_reads_secrets_manager_itself_is_no_other_tool(tmp_path: Path) -> None:
    """Its code may name a key beside Secrets Manager."""
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "app/config.py": SETTINGS})
    write_files(tmp_path, {"app/aws.py": 'boto3.client("secretsmanager")\nSECRET_KEY = 1\n'})
    checkout = read_checkout(tmp_path)
    key = NewKey(NEW, "News", "", False, "str", ())
    assert not (checkout.other_tools or find_surroundings({"staging": healthy()}, checkout, key, ()).locations)
