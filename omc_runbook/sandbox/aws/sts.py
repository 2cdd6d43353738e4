"""STS that knows the sandbox's administrator; who may assume which role, the gateway decides."""

from moto.core.responses import ActionResult
from moto.sts.responses import TokenResponse

from omc_runbook.sandbox.principals import caller


class SandboxSts(TokenResponse):
    """moto's STS."""

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
