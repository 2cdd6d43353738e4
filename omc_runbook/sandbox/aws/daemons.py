"""ECS's daemons on managed instances, which moto lacks: what they refer to, and their deployments.

No process runs for a daemon's task: each capacity provider counts as one instance, and a deployment succeeds at once.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateDaemon.html
"""

import secrets
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.models import EC2ContainerServiceBackend

from omc_runbook.model.arn import name_in
from omc_runbook.sandbox.aws.ecs_base import EcsBase, EcsError, InvalidParameter
from omc_runbook.sandbox.principals import caller

_PAGE = 100
_OF_TASK = ("family", "taskRoleArn", "executionRoleArn", "containerDefinitions", "volumes", "cpu", "memory")
_OF_REVISION = ("daemonTaskDefinitionArn", "propagateTags", "enableECSManagedTags", "enableExecuteCommand", "critical")
Described = dict[str, dict[str, Any]]


class Daemons:
    """The daemons of an account in a region: what each call describes, by ARN, oldest first."""

    def __init__(self) -> None:
        """No daemon."""
        self.task_definitions: Described = {}
        self.daemons: Described = {}
        self.revisions: Described = {}
        self.deployments: Described = {}


class DaemonCalls(EcsBase):
    """The calls about daemons, their task definitions, revisions and deployments."""

    def register_daemon_task_definition(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterDaemonTaskDefinition.html"""
        definitions, family = _daemons_of(self.ecs_backend).task_definitions, self._get_param("family")
        revision = len([each for each in definitions.values() if each["family"] == family]) + 1
        arn = self._arn("daemon-task-definition", f"{family}:{revision}")
        definitions[arn] = {member: self._get_param(member) for member in _OF_TASK} | {
            "daemonTaskDefinitionArn": arn,
            "revision": revision,
            "status": "ACTIVE",
            "registeredAt": datetime.now(UTC),
            "registeredBy": caller(self.access_key).arn,
        }
        return ActionResult({"daemonTaskDefinitionArn": arn})

    def describe_daemon_task_definition(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeDaemonTaskDefinition.html"""
        return ActionResult({"daemonTaskDefinition": self._task_definition(self._get_param("daemonTaskDefinition"))})

    def list_daemon_task_definitions(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListDaemonTaskDefinitions.html"""
        family, prefix = self._get_param("family"), self._get_param("familyPrefix", "")
        found = [
            each | {"arn": arn}
            for arn, each in _daemons_of(self.ecs_backend).task_definitions.items()
            if family in (None, each["family"]) and each["family"].startswith(prefix)
        ]
        return self._page("daemonTaskDefinitions", found, _PAGE)

    def create_daemon(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateDaemon.html"""
        cluster = self.ecs_backend._get_cluster(self._get_param("clusterArn", "default"))
        arn = self._arn("daemon", f"{cluster.name}/{self._get_param('daemonName')}")
        daemons = _daemons_of(self.ecs_backend).daemons
        if arn in daemons:
            raise InvalidParameter("Creation of daemon was not idempotent.")
        daemon = {"daemonArn": arn, "clusterArn": cluster.arn, "status": "ACTIVE", "createdAt": datetime.now(UTC)}
        deployment = self._deploy(daemon)
        daemons[arn] = daemon
        return ActionResult(daemon | {"deploymentArn": deployment})

    def update_daemon(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateDaemon.html"""
        daemon = self._daemon()
        return ActionResult(daemon | {"deploymentArn": self._deploy(daemon)})

    def delete_daemon(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteDaemon.html"""
        daemon = _daemons_of(self.ecs_backend).daemons.pop(self._daemon()["daemonArn"])
        return ActionResult(daemon | {"status": "DELETE_IN_PROGRESS"})

    def describe_daemon(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeDaemon.html"""
        return ActionResult({"daemon": self._daemon()})

    def list_daemons(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListDaemons.html"""
        cluster = self.ecs_backend._get_cluster(self._get_param("clusterArn", "default"))
        providers = set(self._get_param("capacityProviderArns") or [])
        found = [
            each
            for each in _daemons_of(self.ecs_backend).daemons.values()
            if each["clusterArn"] == cluster.arn
            and (not providers or providers & {p["arn"] for p in each["currentRevisions"][0]["capacityProviders"]})
        ]
        return self._page("daemonSummariesList", found, _PAGE)

    def describe_daemon_revisions(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeDaemonRevisions.html"""
        return self._find("daemonRevisionArns", "daemonRevisions", _daemons_of(self.ecs_backend).revisions)

    def list_daemon_deployments(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListDaemonDeployments.html"""
        arn, statuses = self._daemon()["daemonArn"], self._get_param("status") or []
        found = [
            each | {"targetDaemonRevisionArn": each["targetDaemonRevision"]["arn"]}
            for each in reversed(_daemons_of(self.ecs_backend).deployments.values())
            if each["daemonArn"] == arn and (not statuses or each["status"] in statuses)
        ]
        return self._page("daemonDeployments", found, _PAGE)

    def describe_daemon_deployments(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeDaemonDeployments.html"""
        return self._find("daemonDeploymentArns", "daemonDeployments", _daemons_of(self.ecs_backend).deployments)

    def _deploy(self, daemon: dict[str, Any]) -> str:
        """Deploy the request's configuration; the deployment's ARN."""
        deployment_arn: str
        state, now = _daemons_of(self.ecs_backend), datetime.now(UTC)
        definition = self._task_definition(self._get_param("daemonTaskDefinitionArn"))
        revision_arn, deployment_arn = (
            daemon["daemonArn"].replace(":daemon/", f":{kind}/") + f"/{secrets.token_urlsafe(15)}"
            for kind in ("daemon-revision", "daemon-deployment")
        )
        state.revisions[revision_arn] = {member: self._get_param(member) for member in _OF_REVISION} | {
            "daemonRevisionArn": revision_arn,
            "daemonArn": daemon["daemonArn"],
            "clusterArn": daemon["clusterArn"],
            "createdAt": now,
            "daemonTaskDefinitionArn": definition["daemonTaskDefinitionArn"],
            "containerImages": [
                {"containerName": each["name"], "image": each["image"]} for each in definition["containerDefinitions"]
            ],
        }
        providers: list[str] = self._get_param("capacityProviderArns")
        sources = daemon.get("currentRevisions", [])
        state.deployments[deployment_arn] = {
            "daemonDeploymentArn": deployment_arn,
            "daemonArn": daemon["daemonArn"],
            "clusterArn": daemon["clusterArn"],
            "status": "SUCCESSFUL",
            "targetDaemonRevision": {
                "arn": revision_arn,
                "capacityProviders": [{"arn": arn, "runningInstanceCount": 1} for arn in providers],
                "totalRunningInstanceCount": len(providers),
                "totalDrainingInstanceCount": 0,
            },
            "sourceDaemonRevisions": [{"arn": each["arn"], "totalRunningInstanceCount": 0} for each in sources],
            "circuitBreaker": {"status": "MONITORING_COMPLETE", "failureCount": 0, "threshold": 3},
            "deploymentConfiguration": self._get_param("deploymentConfiguration"),
            "createdAt": now,
            "startedAt": now,
            "finishedAt": now,
        }
        daemon |= {
            "updatedAt": now,
            "deploymentArn": deployment_arn,
            "currentRevisions": [
                {
                    "arn": revision_arn,
                    "capacityProviders": [{"arn": arn, "runningCount": 1} for arn in providers],
                    "totalRunningCount": len(providers),
                }
            ],
        }
        return deployment_arn

    def _task_definition(self, name: str) -> dict[str, Any]:
        name, definitions = name_in(name), _daemons_of(self.ecs_backend).task_definitions
        found = [each for arn, each in definitions.items() if name in (name_in(arn), each["family"])]
        if not found:
            raise EcsError("ClientException", "Unable to describe daemon task definition.")
        return found[-1]

    def _daemon(self) -> dict[str, Any]:
        daemon = _daemons_of(self.ecs_backend).daemons.get(self._get_param("daemonArn"))
        if daemon is None:
            raise EcsError("DaemonNotFoundException", "Daemon not found.")
        return daemon

    def _arn(self, kind: str, name: str) -> str:
        return f"arn:aws:ecs:{self.region}:{self.current_account}:{kind}/{name}"


def _daemons_of(backend: EC2ContainerServiceBackend) -> Daemons:
    """What a backend has; it goes when moto forgets the backend."""
    daemons: Daemons = vars(backend).setdefault("sandbox_daemons", Daemons())
    return daemons
