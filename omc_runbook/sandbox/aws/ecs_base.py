"""What all parts of the sandbox's ECS share: its errors, and how a cluster, a service and a page are found."""

from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ecs.responses import EC2ContainerServiceResponse

from omc_runbook.sandbox.ecs.services import EcsService


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
        service = self.ecs_backend._get_service(self._cluster(), last_part(name))
        assert isinstance(service, EcsService)
        return service

    def _containers(self, service: EcsService) -> list[dict[str, Any]]:
        definition = self.ecs_backend.describe_task_definition(service.task_definition)
        containers: list[dict[str, Any]] = definition.container_definitions
        return containers

    def _page(self, member: str, entries: list[Any], default: int) -> ActionResult:
        start = int(self._get_param("nextToken") or 0)
        size = int(self._get_param("maxResults") or default)
        page: dict[str, Any] = {member: entries[start : start + size]}
        if start + size < len(entries):
            page["nextToken"] = str(start + size)
        return ActionResult(page)


def last_part(name: str) -> str:
    """The name at the end of an ARN, or a name as it is."""
    return name.rpartition("/")[2]
