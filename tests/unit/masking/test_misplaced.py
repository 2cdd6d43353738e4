"""Values that stand in a valueFrom, where a reference to them belongs."""

from typing import Any
from unittest.mock import Mock

import pytest

from omc_runbook.aws import definitions
from omc_runbook.aws.definitions import ReferenceEdit
from omc_runbook.masking import registry
from omc_runbook.masking.misplaced import is_key_a_value, is_value

TOKEN = "Kx9vTqLmW2pRz7BnYc4HdFg8"
SECRET = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging-app-secrets-AbC123"


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        "f3a91c7e52d84b06a1e9c4770b6d2f58ae31c09d",
        "123e4567-e89b-12d3-a456-426614174000",
        "Summer2024!",
        "green bicycle of thirteen gulls",
        f"postgresql://app:{TOKEN}@db.internal:5432/app",
    ],
)
def test_a_value_is_known(text: str) -> None:
    """By letters and digits as no name has them, or characters that the name of a parameter cannot have."""
    assert is_value(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SECRET_KEY",
        "coin_limit:3",
        "prod.openai.key.v2",
        "MyAppProdDbPassword2024",
        "/ohmycoins/staging/Kx9vTqLmW2pRz7BnYc4HdFg8",
        "ohmycoins-staging-app-secrets",
        "ohmycoins-staging-app-secrets-AbC123",
        f"{SECRET}:SECRET_KEY::",
        f'"{SECRET}"',
        f" {SECRET}",
        "${var.secrets_arn}:SECRET_KEY::",
        "https://ap-southeast-2.console.aws.amazon.com/secretsmanager/secret?name=ohmycoins&region=ap-southeast-2",
    ],
)
def test_a_reference_is_none(text: str) -> None:
    """Names, paths and ARNs, also those that are written badly."""
    assert not is_value(text)


def test_a_value_in_a_task_definition_is_masked_and_can_be_replaced() -> None:
    """Of a valueFrom that is a value only the label is known, also by which an edit finds its entry."""
    container: dict[str, Any] = {"name": "worker", "secrets": [{"name": "OPENAI_API_KEY", "valueFrom": TOKEN}]}
    raw = {"family": "worker", "revision": 1, "taskDefinitionArn": "arn:aws:ecs:x:1:task-definition/worker:1"}
    raw["containerDefinitions"] = [container]
    client = Mock(**{"describe_task_definition.return_value": {"taskDefinition": raw}})
    ((_, injection),) = definitions.describe_task_definition(client, "worker:1").injections
    assert injection.reference.text == "‹OPENAI_API_KEY›"
    assert "the value itself" in injection.reference.problem
    assert registry.mask(f"parameter/{TOKEN}") == "parameter/‹OPENAI_API_KEY›"
    client.meta.service_model.operation_model.return_value.input_shape.members = {"containerDefinitions": None}
    client.register_task_definition.return_value = {"taskDefinition": raw, "ResponseMetadata": {}}
    edit = ReferenceEdit("worker", "OPENAI_API_KEY", injection.reference.text, f"{SECRET}:OPENAI_API_KEY::")
    definitions.register_edited(client, "worker:1", [edit])
    (sent,) = client.register_task_definition.call_args.kwargs["containerDefinitions"]
    assert sent["secrets"] == [{"name": "OPENAI_API_KEY", "valueFrom": f"{SECRET}:OPENAI_API_KEY::"}]


@pytest.mark.parametrize(
    ("key", "is_also_a_value", "is_masked"),
    [
        ("p4 w0rd!", True, True),
        ("p4 w0rd!", False, False),
        ("p4 w0rd", True, False),
        ("primary-database-1", True, False),
        ("OTHER_NAME", True, False),
        (f"{TOKEN}4a", False, True),
        ("1-2-3-4-to-5", False, False),
    ],
)
def test_a_key_that_is_a_value_is_known(key: str, is_also_a_value: bool, is_masked: bool) -> None:
    """By its form alone only where it is random; as a value of another key, where it is long and no name."""
    assert is_key_a_value(key, is_also_a_value) is is_masked
