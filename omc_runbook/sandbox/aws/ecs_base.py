"""What all parts of the sandbox's ECS share: its errors, and how a cluster, a service and a page are found."""

from collections.abc import Mapping
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ecs.responses import EC2ContainerServiceResponse

from omc_runbook.model.arn import name_in
from omc_runbook.sandbox.ecs.services import EcsService, start_deployment
from omc_runbook.sandbox.ecs.tasks import find_definition

MOST_ARNS = 20
"""How many ARNs a call that describes several things takes."""


class EcsError(ServiceException):
    """An error of ECS; moto fails over the code of its own ServiceException."""


class InvalidParameter(EcsError):
    """A parameter that ECS rejects."""

    code = "InvalidParameterException"


class EcsBase(EC2ContainerServiceResponse):
    """moto's ECS, with what its calls are made of here."""

    def _cluster(self) -> str:
        return str(self.ecs_backend._get_cluster(self._get_param("cluster", "default")).name)

    def _service(self, name: str) -> EcsService:
        service = self.ecs_backend._get_service(self._cluster(), name_in(name))
        assert isinstance(service, EcsService)
        return service

    def _refuse_second(self, cluster: str, name: str) -> None:
        existing = self.ecs_backend.services.get(f"{cluster}:{name}")
        if existing is not None and existing.status != "INACTIVE":
            raise InvalidParameter("Creation of service was not idempotent.")

    def _require_network(self, definition_name: str, network: dict[str, Any] | None) -> None:
        """Refuse a task definition whose tasks get a network interface, without the subnets for it."""
        mode = find_definition(self.ecs_backend, definition_name).network_mode
        if mode == "awsvpc" and not ((network or {}).get("awsvpcConfiguration") or {}).get("subnets"):
            raise InvalidParameter("Network Configuration must be provided when networkMode 'awsvpc' is specified.")

    def _roll_out(self, service: EcsService) -> None:
        """Start a deployment of the service as it is configured now."""
        definition = self.ecs_backend.describe_task_definition(service.task_definition)
        start_deployment(service, definition.container_definitions)

    def _page(self, member: str, entries: list[Any], default: int) -> ActionResult:
        start = int(self._get_param("nextToken") or 0)
        size = int(self._get_param("maxResults") or default)
        page: dict[str, Any] = {member: entries[start : start + size]}
        if start + size < len(entries):
            page["nextToken"] = str(start + size)
        return ActionResult(page)

    def _find(self, parameter: str, member: str, by_arn: Mapping[str, Any]) -> ActionResult:
        """What the request's ARNs name, and a failure for each that names nothing."""
        arns = self._get_param(parameter, [])
        if not 1 <= len(arns) <= MOST_ARNS:
            raise InvalidParameter(f"{parameter} must have between 1 and {MOST_ARNS} members.")
        failures = [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in by_arn]
        return ActionResult({member: [by_arn[arn] for arn in arns if arn in by_arn], "failures": failures})
