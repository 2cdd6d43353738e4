"""ECS with deployments, the whole state of tasks, and pages; the agent runs the tasks.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Operations.html
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult

from omc_runbook.model.arn import name_in
from omc_runbook.sandbox.authorization import context_of, refusal
from omc_runbook.sandbox.aws.daemons import DaemonCalls
from omc_runbook.sandbox.aws.ecs_base import EcsError, InvalidParameter
from omc_runbook.sandbox.aws.express import ExpressCalls
from omc_runbook.sandbox.aws.kms import find_key
from omc_runbook.sandbox.aws.service_deployments import ServiceDeploymentCalls
from omc_runbook.sandbox.ecs import tasks
from omc_runbook.sandbox.ecs.channel import CHANNELS
from omc_runbook.sandbox.ecs.deployment_settings import find_error
from omc_runbook.sandbox.ecs.services import EcsService, services_of
from omc_runbook.sandbox.ecs.tasks import EcsTask
from omc_runbook.sandbox.principals import caller, role_arn, role_session

_REDEPLOYING = {
    "networkConfiguration": "network_configuration",
    "platformVersion": "platform_version",
    "loadBalancers": "load_balancers",
    "serviceRegistries": "service_registries",
}
_SETTINGS = {
    "desiredCount": "desired_count",
    "enableExecuteCommand": "enable_execute_command",
    "enableECSManagedTags": "enable_ecs_managed_tags",
    "healthCheckGracePeriodSeconds": "health_check_grace_period_seconds",
    "propagateTags": "propagate_tags",
}


class TargetNotConnected(EcsError):
    """The agent of ECS Exec is not connected."""

    code = "TargetNotConnectedException"


class SandboxEcs(ServiceDeploymentCalls, DaemonCalls, ExpressCalls):
    """moto's ECS, with the services, deployments and tasks of the scheduler."""

    def register_task_definition(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html"""
        answer = super().register_task_definition()
        # moto leaves it out.
        result: Any = answer.result
        result["taskDefinition"].registered_at = datetime.now(UTC)
        return answer

    def describe_task_definition(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTaskDefinition.html"""
        definition = tasks.find_definition(self.ecs_backend, self._get_param("taskDefinition"))
        has_tags = "TAGS" in self._get_param("include", [])
        tags = {"tags": self.ecs_backend.list_tags_for_resource(definition.arn)} if has_tags else {}
        return ActionResult({"taskDefinition": definition, **tags})

    def create_service(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html"""
        cluster, name = self.ecs_backend.clusters[self._cluster()], self._get_param("serviceName")
        self._refuse_second(cluster.name, name)
        definition = self._get_param("taskDefinition")
        if definition:
            self._require_network(definition, self._get_param("networkConfiguration"))
        # moto leaves two CloudFormation methods abstract, which nothing here calls.
        service = EcsService(  # type: ignore[abstract]
            cluster=cluster,
            service_name=name,
            desired_count=self._get_int_param("desiredCount") or 0,
            backend=self.ecs_backend,
            task_definition=tasks.find_definition(self.ecs_backend, definition) if definition else None,
            load_balancers=self._get_param("loadBalancers"),
            scheduling_strategy=self._get_param("schedulingStrategy"),
            tags=self._get_param("tags"),
            deployment_controller=self._get_param("deploymentController"),
            launch_type=self._get_param("launchType", "FARGATE"),
            service_registries=self._get_param("serviceRegistries"),
            platform_version=self._get_param("platformVersion"),
            network_configuration=tasks.add_security_groups(self._get_param("networkConfiguration")),
            propagate_tags=self._get_param("propagateTags", "NONE"),
            role_arn=self._get_param("role"),
            created_by=caller(self.access_key).arn,
        )
        self._configure(service)
        self._set(service)
        if service.is_deployed_by_ecs:
            self._roll_out(service)
        self.ecs_backend.services[f"{cluster.name}:{name}"] = service
        if definition and service.deployment_controller["type"] == "CODE_DEPLOY":
            # ECS itself creates CodeDeploy's first task set.
            task_set = self.ecs_backend.create_task_set(
                name,
                cluster.name,
                definition,
                network_configuration=self._get_param("networkConfiguration"),
                launch_type="FARGATE",
            )
            task_set.status = "PRIMARY"
        return ActionResult({"service": service})

    def update_service(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html"""
        service = self._service(self._get_param("service"))
        if service.status != "ACTIVE":
            raise EcsError("ServiceNotActiveException", "Service was not ACTIVE.")
        if service.express is not None:
            raise InvalidParameter("An Express service is updated by UpdateExpressGatewayService.")
        is_forced = bool(self._get_param("forceNewDeployment", False))
        definition_name = self._get_param("taskDefinition")
        controller = service.deployment_controller["type"]
        if not service.is_deployed_by_ecs and (is_forced or definition_name):
            verb = "force a new deployment" if is_forced else "update task definition"
            raise InvalidParameter(
                f"Unable to {verb} on services with a {controller} deployment controller."
                + (" Use AWS CodeDeploy to trigger a new deployment." if controller == "CODE_DEPLOY" else "")
            )
        self._configure(service)
        is_changed = is_forced
        if definition_name:
            definition = tasks.find_definition(self.ecs_backend, definition_name)
            if definition.status != "ACTIVE":
                raise EcsError("ClientException", "TaskDefinition is inactive")
            self._require_network(
                definition_name, self._get_param("networkConfiguration") or service.network_configuration
            )
            is_changed = is_changed or definition.arn != service.task_definition
            service.task_definition = definition.arn
        for parameter, attribute in _REDEPLOYING.items():
            value = self._get_param(parameter)
            if parameter == "networkConfiguration":
                value = tasks.add_security_groups(value)
            if value is not None:
                is_changed = is_changed or value != getattr(service, attribute)
                setattr(service, attribute, value)
        self._set(service)
        if is_changed and service.is_deployed_by_ecs:
            self._roll_out(service)
        service.is_steady = False
        return ActionResult({"service": service})

    def delete_service(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteService.html"""
        service = self._service(self._get_param("service"))
        if service.desired_count > 0 and not self._get_param("force", False):
            raise InvalidParameter("The service cannot be stopped while it is scaled above 0.")
        service.desired_count, service.status = 0, "DRAINING"
        return ActionResult({"service": service})

    def list_services(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServices.html"""
        arns = self.ecs_backend.list_services(
            self._cluster(), self._get_param("schedulingStrategy"), self._get_param("launchType")
        )
        # Express services, which ECS manages, are listed only on request.
        manager = self._get_param("resourceManagementType", "CUSTOMER")
        listed = {
            each.arn
            for each in services_of(self.ecs_backend)
            if each.status != "INACTIVE" and each.resource_management_type == manager
        }
        return self._page("serviceArns", [arn for arn in arns if arn in listed], 10)

    def describe_services(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html"""
        if not 1 <= len(self._get_param("services", [])) <= 10:
            raise InvalidParameter("Services must have between 1 and 10 members.")
        return super().describe_services()

    def run_task(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html"""
        self._require_network(self._get_param("taskDefinition"), self._get_param("networkConfiguration"))
        accepted = [
            tasks.accept(
                self.ecs_backend,
                self._cluster(),
                self._get_param("taskDefinition"),
                group=self._get_param("group", ""),
                started_by=self._get_param("startedBy", ""),
                network=self._get_param("networkConfiguration"),
                execute=bool(self._get_param("enableExecuteCommand", False)),
            )
            for _ in range(self._get_int_param("count") or 1)
        ]
        return ActionResult({"tasks": accepted, "failures": []})

    def list_tasks(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html"""
        service, family = self._get_param("serviceName"), self._get_param("family")
        started_by, status = self._get_param("startedBy"), self._get_param("desiredStatus", "RUNNING")
        if service:
            self._service(service)
        arns = [
            task.task_arn
            for task in self._tasks()
            if task.desired_status == status
            and (not service or task.group == f"service:{name_in(service)}")
            and (not family or name_in(task.task_definition_arn).partition(":")[0] == family)
            and (not started_by or task.started_by == started_by)
        ]
        return self._page("taskArns", arns, 100)

    def describe_tasks(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html"""
        ids = [name_in(name) for name in self._get_param("tasks", [])]
        if not 1 <= len(ids) <= 100:
            raise InvalidParameter("Tasks must have between 1 and 100 members.")
        by_id = {task.id: task for task in self._tasks()}
        base = f"arn:aws:ecs:{self.region}:{self.current_account}:task/{self._cluster()}"
        failures = [{"arn": f"{base}/{task_id}", "reason": "MISSING"} for task_id in ids if task_id not in by_id]
        return ActionResult({"tasks": [by_id[task_id] for task_id in ids if task_id in by_id], "failures": failures})

    def stop_task(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html"""
        task = self._task()
        tasks.mark_stopping(task, "UserInitiated", self._get_param("reason") or "Task stopped by user")
        return ActionResult({"task": task})

    def execute_command(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ExecuteCommand.html"""
        task = self._task()
        name = self._get_param("container") or task.containers[0].name
        container = next((c for c in task.containers if c.name == name), None)
        if container is None:
            raise InvalidParameter("The specified container was not found in the task.")
        agents = {agent["name"]: agent["lastStatus"] for agent in container.managed_agents}
        if not task.enable_execute_command:
            raise InvalidParameter(
                "The execute command failed because execute command was not enabled when the task was run "
                "or the execute command agent isn't running. Wait and try again or run a new task with "
                "execute command enabled and try again."
            )
        if agents.get("ExecuteCommandAgent") != "RUNNING" or container.running is None:
            raise TargetNotConnected("The execute command failed because the target container's agent isn't connected.")
        running = replace(container.running, refusal=self._session_refusal(task))
        session = CHANNELS.open(running, self._get_param("command"))
        return ActionResult(
            {
                "clusterArn": task.cluster_arn,
                "taskArn": task.task_arn,
                "containerArn": container.container_arn,
                "containerName": container.name,
                "interactive": bool(self._get_param("interactive", False)),
                "session": {"sessionId": session.id, "streamUrl": session.url, "tokenValue": session.token},
            }
        )

    def create_task_set(self) -> ActionResult:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateTaskSet.html"""
        answer = super().create_task_set()
        # moto creates its own tasks for it; here the scheduler starts them.
        by_arn = self.ecs_backend.tasks.get(self._cluster(), {})
        for arn in [arn for arn, task in by_arn.items() if not isinstance(task, EcsTask)]:
            del by_arn[arn]
        return answer

    def _configure(self, service: EcsService) -> None:
        """Change the service's deployment configuration as the request says, or refuse to."""
        changes = self._get_param("deploymentConfiguration", {})
        controller = service.deployment_controller["type"]
        if message := find_error(changes, service.deployment_configuration | changes, controller):
            raise InvalidParameter(message)
        service.configure(changes)

    def _set(self, service: EcsService) -> None:
        """Change what no new deployment is needed for."""
        for parameter, attribute in _SETTINGS.items():
            if self._get_param(parameter) is not None:
                setattr(service, attribute, self._get_param(parameter))

    def _session_refusal(self, task: EcsTask) -> str:
        """What the agent says where the cluster encrypts sessions with a key that the task role may not use."""
        configuration = self.ecs_backend.clusters[self._cluster()].configuration or {}
        key_id = configuration.get("executeCommandConfiguration", {}).get("kmsKeyId", "")
        key = find_key(key_id, self.current_account, self.region) if key_id else None
        role = role_session(role_arn(task.definition.task_role_arn or "", self.current_account), task.id)
        if key is None:
            return ""
        context = context_of(role, self.region)
        message = refusal(role, "kms:Decrypt", key.arn, context, key.policy, key.account_id)
        return f"Fetching data key failed: Unable to retrieve data key: {message}" if message else ""

    def _tasks(self) -> list[EcsTask]:
        cluster = self._cluster()
        return [task for task in tasks.of_backend(self.ecs_backend) if task.cluster_name == cluster]

    def _task(self) -> EcsTask:
        task_id = name_in(self._get_param("task"))
        task = next((task for task in self._tasks() if task.id == task_id), None)
        if task is None:
            raise InvalidParameter("The referenced task was not found.")
        return task
