"""ECS's Express services, which moto lacks: services whose task definition and deployments ECS manages.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/express-service-update-full.html
"""

from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends

from omc_runbook.sandbox.aws.ecs_base import EcsBase, EcsError, InvalidParameter
from omc_runbook.sandbox.ecs import tasks
from omc_runbook.sandbox.ecs.services import EcsService, services_of
from omc_runbook.sandbox.principals import caller

CONTAINER = "Main"
_BAKE_MINUTES = 3
_CONFIGURATION = {
    "strategy": "CANARY",
    "bakeTimeInMinutes": _BAKE_MINUTES,
    "canaryConfiguration": {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": _BAKE_MINUTES},
}
_MEMBERS = (
    *("executionRoleArn", "taskRoleArn", "cpu", "memory", "primaryContainer", "networkConfiguration"),
    *("healthCheckPath", "scalingTarget"),
)


class ExpressCalls(EcsBase):
    """The calls about Express services."""

    def create_express_gateway_service(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateExpressGatewayService.html"""
        cluster = self.ecs_backend.clusters[self._cluster()]
        members = {member: self._get_param(member) for member in _MEMBERS}
        name = self._get_param("serviceName") or f"express-{len(self.ecs_backend.services)}"
        self._refuse_second(cluster.name, name)
        if not members["primaryContainer"]:
            raise InvalidParameter("The primary container must specify at minimum a container image.")
        # moto leaves two CloudFormation methods abstract, which nothing here calls.
        service = EcsService(  # type: ignore[abstract]
            cluster=cluster,
            service_name=name,
            desired_count=_desired(members),
            backend=self.ecs_backend,
            task_definition=self._register(f"{cluster.name}-{name}", members),
            launch_type="FARGATE",
            scheduling_strategy="REPLICA",
            tags=self._get_param("tags"),
            role_arn=self._get_param("infrastructureRoleArn"),
            network_configuration=self._network(members),
            created_by=caller(self.access_key).arn,
        )
        service.resource_management_type, service.express = "ECS", members
        service.configure(_CONFIGURATION)
        self.ecs_backend.services[f"{cluster.name}:{name}"] = service
        self._roll_out(service)
        return ActionResult({"service": _describe(service)})

    def update_express_gateway_service(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateExpressGatewayService.html"""
        service = self._express()
        changed = {member: self._get_param(member) for member in _MEMBERS if self._get_param(member) is not None}
        members = service.express = (service.express or {}) | changed
        family = f"{service.cluster_name}-{service.name}"
        service.task_definition = self._register(family, members).arn
        service.desired_count, service.is_steady = _desired(members), False
        service.network_configuration = self._network(members) or {}
        self._roll_out(service)
        answer = _describe(service)
        return ActionResult({"service": answer | {"targetConfiguration": answer["activeConfigurations"][0]}})

    def describe_express_gateway_service(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeExpressGatewayService.html"""
        return ActionResult({"service": _describe(self._express())})

    def delete_express_gateway_service(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteExpressGatewayService.html"""
        service = self._express()
        service.desired_count, service.status = 0, "DRAINING"
        return ActionResult({"service": _describe(service)})

    def _express(self) -> EcsService:
        arn = self._get_param("serviceArn")
        found = next((s for s in services_of(self.ecs_backend) if s.arn == arn and s.express is not None), None)
        if found is None:
            raise EcsError("ServiceNotFoundException", "Service not found.")
        return found

    def _network(self, members: dict[str, Any]) -> dict[str, Any] | None:
        """The tasks' network, by default the default VPC; ECS gives each task a public address."""
        network = members["networkConfiguration"]
        if not network:
            ec2 = ec2_backends[self.current_account][self.region]
            network = {"subnets": [each.id for each in ec2.describe_subnets(filters={"default-for-az": "true"})]}
        return tasks.add_security_groups({"awsvpcConfiguration": {**network, "assignPublicIp": "ENABLED"}})

    def _register(self, family: str, members: dict[str, Any]) -> Any:
        primary = members["primaryContainer"]
        container = {
            "name": CONTAINER,
            "image": primary["image"],
            "essential": True,
            "portMappings": [{"containerPort": primary.get("containerPort", 80)}],
            "command": primary.get("command", []),
            "environment": primary.get("environment", []),
            "secrets": primary.get("secrets", []),
        }
        if logs := primary.get("awsLogsConfiguration"):
            options = {
                "awslogs-group": logs["logGroup"],
                "awslogs-region": self.region,
                "awslogs-stream-prefix": logs["logStreamPrefix"],
            }
            container["logConfiguration"] = {"logDriver": "awslogs", "options": options}
        return self.ecs_backend.register_task_definition(
            family=family,
            container_definitions=[container],
            network_mode="awsvpc",
            requires_compatibilities=["FARGATE"],
            cpu=members["cpu"] or "256",
            memory=members["memory"] or "512",
            task_role_arn=members["taskRoleArn"],
            execution_role_arn=members["executionRoleArn"],
        )


def _describe(service: EcsService) -> dict[str, Any]:
    members = service.express or {}
    current = service.service_revisions[0]
    return {
        "cluster": service.cluster_name,
        "serviceName": service.name,
        "serviceArn": service.arn,
        "infrastructureRoleArn": service.role_arn,
        "status": {"statusCode": service.status},
        "currentDeployment": service.current_service_deployment,
        "createdAt": service.created_at,
        "updatedAt": datetime.now(UTC),
        "activeConfigurations": [
            members
            | {
                "serviceRevisionArn": current.service_revision_arn,
                "taskDefinitionArn": current.task_definition,
                "createdAt": current.created_at,
                "cpu": members.get("cpu") or "256",
                "memory": members.get("memory") or "512",
            }
        ],
        "tags": service.tags,
    }


def _desired(members: dict[str, Any]) -> int:
    return int((members["scalingTarget"] or {}).get("minTaskCount", 1))
