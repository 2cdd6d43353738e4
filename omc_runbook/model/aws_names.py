"""The names of an environment's resources in AWS, and what AWS accepts as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from omc_runbook.model.arn import account_in
from omc_runbook.model.whole_number import MOST_DAYS, WholeNumber

_PLACEHOLDER = r"\{(project|environment|prefix)\}"
_Part = Annotated[str, Field(pattern=rf"^([^{{}}]|{_PLACEHOLDER})*$")]
"""A part of names in AWS, none of which has braces: what is left of a placeholder is misspelt."""
_SecretId = Annotated[
    str,
    Field(
        pattern=r"^(arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:)?"
        rf"([A-Za-z0-9/_+=.@!-]|{_PLACEHOLDER})*$"
    ),
]
_EcsName = Annotated[str, Field(pattern=rf"^([A-Za-z0-9_-]|{_PLACEHOLDER})*$")]
_IamName = Annotated[str, Field(pattern=rf"^([A-Za-z0-9_+=,.@-]|{_PLACEHOLDER})*$")]
"""What AWS accepts as a name of each kind: it finds nothing by another, and some calls take an ARN for a name.

Those that Secrets Manager makes of a secret all do.
"""


class Names(BaseModel):
    """Names that can be set for all environments or for one; {project}, {environment} and {prefix} are replaced."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    prefix: Annotated[str, Field(pattern=r"^([^{}]|\{(project|environment)\})*$")] = Field(
        default="{project}-{environment}", exclude=True
    )
    """What the names of the environment's resources begin with: {prefix} in the others; no name itself."""
    region: str = Field(default="ap-southeast-2", pattern=r"^[a-z]+(-[a-z]+)+-[0-9]+$")
    account_id: str = Field(default="", pattern=r"^([0-9]{12})?$")
    profile: str = ""
    role_arn: str = Field(
        default="", pattern=rf"^(arn:aws[a-z-]*:iam::[0-9]{{12}}:role/([A-Za-z0-9_+=,.@/-]|{_PLACEHOLDER})+)?$"
    )
    """The IAM role that is assumed for all calls, by the profile's or the caller's own credentials; "" for none."""
    external_id: str = Field(default="", pattern=r"^([A-Za-z0-9_+=,.@:/-]{2,})?$", max_length=1224, repr=False)
    """The external id that the role's trust policy asks for; it is no secret, but not shown."""
    secret: _SecretId = Field(default="{prefix}-app-secrets", min_length=1)
    cluster: _EcsName = Field(default="{prefix}", min_length=1)
    clusters: tuple[Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]+|\*)$")], ...] = ()
    """Other clusters in which services may use the secret, or "*" for all: verify and changes name them."""
    service: _EcsName = Field(default="backend", min_length=1)
    task_family: _EcsName = "{prefix}-backend"
    execution_role: _IamName = "{prefix}-ecs-task-execution-role"
    task_role: _IamName = "{prefix}-ecs-task-role"
    execution_policy: _IamName = "{prefix}-ecs-task-execution-secrets-policy"
    rotation_days: WholeNumber = Field(default=180, gt=0, le=MOST_DAYS)
    secret_description: str = "Application secrets of {project} in {environment}"
    secret_tags: dict[str, str] = {"Project": "{project}", "Environment": "{environment}", "ManagedBy": "omc-runbook"}
    kms_key: _Part = ""
    """Id, ARN or alias of the KMS key that encrypts a new secret; "" for the AWS managed key."""
    recovery_days: WholeNumber = Field(default=30, ge=7, le=30)
    """The recovery window of a deleted secret, in days."""

    @property
    def account(self) -> str:
        """The account that runbook.toml names, itself or by the role that is assumed there; "" for none."""
        return self.account_id or (account_in(self.role_arn) if self.role_arn else "")


_BRACES = "with no braces but those of {project}, {environment} and {prefix}"
_A_NAME = f"a name, {_BRACES}"
FORMS = {
    "account_id": "an account id of 12 digits",
    "region": "an AWS region, such as ap-southeast-2",
    "role_arn": f"the ARN of an IAM role, such as arn:aws:iam::123456789012:role/runbooks, {_BRACES}",
    "external_id": "2 to 1224 letters, digits or characters of +=,.@:/_-",
    "prefix": "a text, with no braces but those of {project} and {environment}",
    "kms_key": f"the id, ARN or alias of a KMS key, {_BRACES}",
    "secret": f"{_A_NAME}, of letters, digits and /_+=.@!-, or the ARN of a secret",
    **dict.fromkeys(("cluster", "service", "task_family"), f"{_A_NAME}, of letters, digits and _-, and no ARN"),
    **dict.fromkeys(
        ("execution_role", "task_role", "execution_policy"),
        f"{_A_NAME}, of letters, digits and _+=,.@-, with no path and no ARN",
    ),
    "clusters": 'the name of a cluster, with no placeholder and no ARN, or "*"',
}
"""What each name must be, where it has a pattern."""


def form_of(field: str, value: str) -> str:
    """What runbook.toml takes for a name, where a value is no such name; "" where it is one."""
    try:
        Names.model_validate({field: value})
    except ValidationError:
        return FORMS[field].removeprefix(f"{_A_NAME}, ")
    return ""


def fill_in(chosen: Mapping[str, Any], project: str, environment: str) -> Names:
    """The names that are chosen, and the guide's others, with their placeholders filled in."""
    names = Names.model_validate(chosen)

    def fill(text: str) -> str:
        with_prefix = text.replace("{prefix}", names.prefix)
        return with_prefix.replace("{project}", project).replace("{environment}", environment)

    texts: dict[str, Any] = {name: fill(value) for name, value in names if isinstance(value, str)}
    texts["secret_tags"] = {key: fill(value) for key, value in names.secret_tags.items()}
    return names.model_copy(update=texts)
