"""STS that rejects AssumeRole for a missing role, and knows the sandbox's administrator.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.sts.responses import TokenResponse

from omc_runbook.sandbox.account import MEMBER_ADMINISTRATOR
from omc_runbook.sandbox.principals import caller, identity


class AccessDenied(ServiceException):
    """The caller may not assume the role."""

    code = "AccessDenied"


class SandboxSts(TokenResponse):
    """moto's STS."""

    def assume_role(self) -> ActionResult:
        """A session of a role that exists."""
        arn = self._get_param("RoleArn")
        if identity(arn) is None and arn.rpartition("/")[2] != MEMBER_ADMINISTRATOR:
            arn_of_caller = caller(self.access_key).arn
            raise AccessDenied(f"User: {arn_of_caller} is not authorized to perform: sts:AssumeRole on resource: {arn}")
        return super().assume_role()

    def get_session_token(self) -> ActionResult:
        """Not offered: moto returns the keys of AWS's documentation, which sign nothing here."""
        raise NotImplementedError

    get_federation_token = get_session_token

    def get_caller_identity(self) -> ActionResult:
        """Who signs this call."""
        principal = caller(self.access_key)
        if principal.kind != "administrator":
            return super().get_caller_identity()
        user_id = "AIDASANDBOXADMINISTRATOR"
        return ActionResult({"UserId": user_id, "Account": principal.account, "Arn": principal.arn})
