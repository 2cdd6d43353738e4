"""ECS's service-deployment API, which moto lacks.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
"""

from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult

from omc_runbook.sandbox.aws.ecs_base import MOST_ARNS, EcsBase, EcsError, InvalidParameter
from omc_runbook.sandbox.ecs.service_deployments import EcsServiceDeployment
from omc_runbook.sandbox.ecs.services import EcsService, count_tasks, services_of

_MOST_RESULTS = 100


class ServiceDeploymentCalls(EcsBase):
    """The calls about service deployments and service revisions."""

    def list_service_deployments(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServiceDeployments.html"""
        if not 1 <= int(self._get_param("maxResults") or 1) <= _MOST_RESULTS:
            raise InvalidParameter(f"maxResults must be between 1 and {_MOST_RESULTS}.")
        service = self._service(self._get_param("service"))
        statuses, created = self._get_param("status") or [], self._get_param("createdAt") or {}
        after, before = _time(created.get("after")), _time(created.get("before"))
        found = [
            each
            for each in service.service_deployments
            if (not statuses or each.status in statuses)
            and (after is None or each.created_at >= after)
            and (before is None or each.created_at <= before)
        ]
        return self._page("serviceDeployments", found, MOST_ARNS)

    def describe_service_deployments(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceDeployments.html"""
        arns = self._get_param("serviceDeploymentArns", [])
        by_arn = {
            each.service_deployment_arn: _describe(service, each)
            for service in services_of(self.ecs_backend)
            for each in service.service_deployments
            if each.service_deployment_arn in arns
        }
        return self._find("serviceDeploymentArns", "serviceDeployments", by_arn)

    def describe_service_revisions(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceRevisions.html"""
        by_arn = {
            each.service_revision_arn: each
            for service in services_of(self.ecs_backend)
            for each in service.service_revisions
        }
        return self._find("serviceRevisionArns", "serviceRevisions", by_arn)

    def stop_service_deployment(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopServiceDeployment.html"""
        if self._get_param("stopType", "ROLLBACK") != "ROLLBACK":
            raise InvalidParameter("The valid value of stopType is ROLLBACK.")
        deployment = self._deployment()
        if not deployment.is_ongoing:
            raise EcsError(
                "ConflictException", f"The service deployment cannot be stopped: its status is {deployment.status}."
            )
        if not deployment.is_rolling_back:
            deployment.request_rollback("Service deployment rolled back because it was stopped.")
        return ActionResult({"serviceDeploymentArn": deployment.service_deployment_arn})

    def continue_service_deployment(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContinueServiceDeployment.html"""
        deployment, hook_id = self._deployment(), self._get_param("hookId")
        hook = next((each for each in deployment.lifecycle_hook_details if each.hook_id == hook_id), None)
        if hook is None or hook.status != "AWAITING_ACTION" or deployment.status != "IN_PROGRESS":
            raise InvalidParameter(f"The lifecycle hook {hook_id} is not in AWAITING_ACTION status.")
        if self._get_param("action", "CONTINUE") == "ROLLBACK":
            reason = f"Service deployment rolled back because {hook.stage} lifecycle hook(s) were rolled back."
            deployment.request_rollback(reason)
        else:
            hook.status = "SUCCEEDED"
            deployment.updated_at = datetime.now(UTC)
        return ActionResult({"serviceDeploymentArn": deployment.service_deployment_arn})

    def _deployment(self) -> EcsServiceDeployment:
        arn = self._get_param("serviceDeploymentArn")
        for service in services_of(self.ecs_backend):
            for deployment in service.service_deployments:
                if deployment.service_deployment_arn == arn:
                    return deployment
        raise EcsError("ServiceDeploymentNotFoundException", f"Service deployment {arn} was not found.")


def _describe(service: EcsService, deployment: EcsServiceDeployment) -> dict[str, Any]:
    """What DescribeServiceDeployments has of a deployment: its own fields, which moto finds, and its counts."""
    target = count_tasks(service, deployment.target_service_revision_arn)
    sources = [count_tasks(service, arn) for arn in deployment.source_revision_arns]
    if deployment.strategy != "ROLLING":
        target |= _weights(deployment.weight, deployment.test_weight)
        for position, source in enumerate(sources):
            share = 100.0 - deployment.weight if position == 0 else 0.0
            source |= _weights(share, 0.0)
    return {
        **vars(deployment),
        "source_service_revisions": sources,
        "target_service_revision": target,
        "lifecycle_hook_details": deployment.lifecycle_hook_details or None,
        "deployment_circuit_breaker": {
            "status": deployment.breaker_status,
            "failureCount": deployment.failures,
            "threshold": service.breaker.threshold(service.desired_count),
        },
    }


def _weights(production: float, test: float) -> dict[str, float]:
    return {"requestedProductionTrafficWeight": production, "requestedTestTrafficWeight": test}


def _time(stamp: datetime | None) -> datetime | None:
    # moto parses it to UTC, without saying so.
    return stamp.replace(tzinfo=UTC) if stamp else None
