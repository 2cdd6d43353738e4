"""Another secret or an SSM parameter that task definitions refer to: whether ECS finds it, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from omc_runbook.aws.secretsmanager import Secret
from omc_runbook.aws.ssm import Parameter
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.messages.reasons import mentions
from omc_runbook.model.value_from import Reference
from omc_runbook.snapshot.roles import GET_PARAMETERS, GET_SECRET_VALUE


@dataclass(frozen=True, kw_only=True)
class OtherSource:
    """Another secret, or an SSM parameter, that references name.

    `secret` and `parameter` are both None where it does not exist. `changed` is when the value that ECS injects was
    written, None where nothing tells; `keys` are the JSON keys of a secret, None where they were not read, and empty
    where it is no JSON object, so that `is_object` is False: `flaw` says why, where it may be meant to be one, and
    `is_binary` is whether it has no text at all.
    """

    reference: Reference
    arn: str
    secret: Secret | None = None
    parameter: Parameter | None = None
    changed: datetime | None = None
    keys: frozenset[str] | None = None
    is_object: bool = True
    is_binary: bool = False
    flaw: str = ""
    policy: PolicyDocument | None = None
    policy_unread: str = ""
    """Why a secret's policy could not be read, where it may be what lets a role in."""
    namesake: str = ""
    """The ARN of the secret that has its name now, where it does not exist: one that was created since."""
    changed_keys: frozenset[str] | None = None
    """The keys whose value the current version changed, None where that was not read."""

    @property
    def is_secret(self) -> bool:
        """Whether it is a secret, and no parameter."""
        return self.reference.kind == "secretsmanager"

    @property
    def is_there(self) -> bool:
        """Whether it exists."""
        return self.secret is not None or self.parameter is not None

    @property
    def name(self) -> str:
        """Its name, as a person would know it."""
        return (self.secret.name if self.secret else self.reference.secret_name) or parameter_name(self.reference)

    @property
    def key_id(self) -> str:
        """The customer key that encrypts it, as it was named; "" for a key of AWS's, or for none."""
        key_id = (self.secret.kms_key_id if self.secret else "") or (self.parameter.key_id if self.parameter else "")
        return "" if key_id.rpartition(":")[2].startswith("alias/aws/") else key_id

    def is_named_in(self, reason: str) -> bool:
        """Whether a stopped task's reason names it; a parameter only where that is about Parameter Store."""
        if self.is_secret:
            return mentions(reason, self.reference.source) or mentions(reason, self.arn)
        return "ssm" in reason and any(mentions(reason, name) for name in (self.arn, self.name))

    @property
    def action(self) -> str:
        """The permission that ECS needs to read it."""
        return GET_SECRET_VALUE if self.is_secret else GET_PARAMETERS


def parameter_name(reference: Reference) -> str:
    """The name of a parameter, from its name or its ARN, without a version or label."""
    text = reference.text
    if not text.startswith("arn:"):
        return text.partition(":")[0]
    path = text.split(":", 5)[-1].removeprefix("parameter").partition(":")[0]
    return path if path.count("/") > 1 else path.removeprefix("/")
