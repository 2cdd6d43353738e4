"""What a reader of the API sees of a sandbox's world, and by what a fault shows there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from botocore.exceptions import ClientError

from omc_runbook.sandbox.account import REGION
from omc_runbook.sandbox.worlds.monitoring import TOPIC, TRAIL
from omc_runbook.sandbox.worlds.staging import (
    CLUSTER,
    CONSUMERS,
    EXECUTION_ROLE,
    SECRET,
    SECRETS_POLICY,
    SERVICES,
    STAGING,
    World,
)


@dataclass(frozen=True)
class Scene:
    """What a reader of the API sees of the world since a moment."""

    world: World
    since: datetime

    def secret(self) -> dict[str, Any]:
        """DescribeSecret's answer, or nothing where there is no secret."""
        try:
            return dict(self.world.secretsmanager.describe_secret(SecretId=SECRET))
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceNotFoundException"
            return {}

    def value(self, stage: str = "AWSCURRENT") -> Any:
        """GetSecretValue's answer."""
        return self.world.secretsmanager.get_secret_value(SecretId=SECRET, VersionStage=stage)

    def text(self) -> str:
        """The current SecretString."""
        return str(self.value()["SecretString"])

    def key(self, name: str) -> Any:
        """One value of the current document."""
        return json.loads(self.text())[name]

    def policy(self) -> Any:
        """The one statement of the execution role's policy for secrets."""
        found: Any = self.world.iam.get_role_policy(RoleName=EXECUTION_ROLE, PolicyName=SECRETS_POLICY)
        return found["PolicyDocument"]["Statement"][0]

    def own_policy(self) -> Any:
        """The one statement of the secret's own policy."""
        text = self.world.secretsmanager.get_resource_policy(SecretId=SECRET)["ResourcePolicy"]
        return json.loads(text)["Statement"][0]

    def identity(self, kind: Literal["User", "Role"], name: str) -> Any:
        """One user or role as GetAccountAuthorizationDetails has it."""
        pages = self.world.iam.get_paginator("get_account_authorization_details").paginate(Filter=[kind])
        return next(each for page in pages for each in page[f"{kind}DetailList"] if each[f"{kind}Name"] == name)

    def key_state(self) -> str:
        """The state of the customer key that the secret is under."""
        return str(self.world.kms.describe_key(KeyId=self.secret()["KmsKeyId"])["KeyMetadata"]["KeyState"])

    def other(self) -> str:
        """The ARN of the secret to which the worker refers beside its own."""
        [arn] = [value for name, value in self.references("worker").items() if name == "SMS_CREDENTIAL"]
        return ":".join(arn.split(":")[:7])

    def service(self, name: str, cluster: str = CLUSTER) -> Any:
        """DescribeServices' answer for one service."""
        return self.world.ecs.describe_services(cluster=cluster, services=[name])["services"][0]

    def services(self) -> dict[str, Any]:
        """DescribeServices' answer for the healthy world's services, by name."""
        names = [service.name for service in SERVICES]
        described = self.world.ecs.describe_services(cluster=CLUSTER, services=names)["services"]
        return {service["serviceName"]: service for service in described}

    def rollout(self, name: str) -> tuple[str, str]:
        """State and reason of a service's primary deployment."""
        primary = self.service(name)["deployments"][0]
        return primary["rolloutState"], primary["rolloutStateReason"]

    def pauses(self, name: str) -> list[str]:
        """The states of the hooks of a service's newest deployment."""
        arn = self.service(name)["currentServiceDeployment"]
        [found] = self.world.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
        return [hook["status"] for hook in found.get("lifecycleHookDetails", [])]

    def alone(self) -> list[str]:
        """The states of tasks outside the services."""
        return [task["lastStatus"] for task in self.world.tasks() if not task["group"].startswith("service:")]

    def definition(self, name: str) -> Any:
        """The task definition that a service is deployed with."""
        return self.definition_of(self.service(name))

    def definition_of(self, service: Any) -> Any:
        """The task definition of a service that was described."""
        return self.world.ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]

    def references(self, name: str) -> dict[str, str]:
        """The valueFrom of each variable of a service, without the secret's true ARN."""
        return references_of(self.definition(name), self.secret())

    def stopped(self, name: str) -> list[Any]:
        """A service's tasks that were stopped, or stopped by themselves, since."""
        tasks = self.world.tasks(serviceName=name, desiredStatus="STOPPED")
        return [task for task in tasks if task["createdAt"] >= self.since]

    def running(self, name: str) -> Any:
        """A task of a service that runs."""
        return self.world.tasks(serviceName=name)[0]

    def current_age(self) -> timedelta:
        """How long before the moment the current version was created."""
        return self.since - self.value()["CreatedDate"]

    def stages(self) -> list[list[str]]:
        """The staging labels of each version."""
        listed = self.world.secretsmanager.list_secret_version_ids(SecretId=SECRET, IncludeDeprecated=True)
        return [version.get("VersionStages", []) for version in listed["Versions"]]

    def other_value(self, name: str) -> Any:
        """The document of another secret."""
        return json.loads(self.world.secretsmanager.get_secret_value(SecretId=name)["SecretString"])

    def has_no_function(self, arn: str) -> bool:
        """Whether Lambda does not know a function."""
        with pytest.raises(ClientError) as caught:
            self.world.client("lambda").get_function_configuration(FunctionName=arn)
        return caught.value.response["Error"]["Code"] == "ResourceNotFoundException"

    def session_key(self) -> str:
        """The key that encrypts ECS Exec's sessions."""
        found: Any = self.world.ecs.describe_clusters(clusters=[CLUSTER], include=["CONFIGURATIONS"])["clusters"][0]
        return str(found["configuration"]["executeCommandConfiguration"].get("kmsKeyId", ""))

    def command(self, name: str) -> Any:
        """The command of a service's container."""
        return self.definition(name)["containerDefinitions"][0].get("command")

    def exec_refusal(self, name: str) -> str:
        """ECS's words for why a command is not run in a service's task."""
        task = self.running(name)["taskArn"]
        with pytest.raises(ClientError) as caught:
            self.world.ecs.execute_command(cluster=CLUSTER, task=task, command="true", interactive=True)
        return str(caught.value)

    def has_no_agent(self, name: str) -> bool:
        """Whether the agent of ECS Exec stopped in a service's task, so that no command is run there."""
        [agent] = self.running(name)["containers"][0]["managedAgents"]
        return bool(agent["lastStatus"] == "STOPPED") and "TargetNotConnected" in self.exec_refusal(name)

    def reasons(self, name: str = "worker") -> str:
        """Why they stopped."""
        return " ".join(task.get("stoppedReason", "") for task in self.stopped(name))

    def log(self, name: str) -> str:
        """What the first containers of a service's stopped tasks wrote into their log."""
        streams = [f"ecs/{name}/{task['taskArn'].rpartition('/')[2]}" for task in self.stopped(name)]
        read = [
            self.world.logs.get_log_events(logGroupName=f"/ecs/{STAGING}/{name}", logStreamName=stream)["events"]
            for stream in streams
        ]
        return " ".join(event["message"] for events in read for event in events)

    def refused(self, text: str) -> bool:
        """Whether tasks of every consumer never started, all for a reason with this text in it."""
        failed = {c.name: [t for t in self.stopped(c.name) if "startedAt" not in t] for c in CONSUMERS}
        return all(failed.values()) and all(
            text in task["stoppedReason"] and task["stopCode"] == "TaskFailedToStart"
            for tasks in failed.values()
            for task in tasks
        )

    @property
    def ec2(self) -> Any:
        """EC2's client."""
        return self.world.client("ec2")

    def placement(self) -> Any:
        """Where the worker's tasks stand."""
        return self.placement_of(self.service("worker"))

    def placement_of(self, service: Any) -> Any:
        """Where the tasks of a service that was described stand."""
        return service["networkConfiguration"]["awsvpcConfiguration"]

    def vpc(self, placement: Any = None) -> str:
        """The VPC that they stand in, or that a placement is in."""
        subnets = (placement or self.placement())["subnets"]
        return str(self.ec2.describe_subnets(SubnetIds=subnets)["Subnets"][0]["VpcId"])

    def endpoints(self, placement: Any = None) -> list[Any]:
        """The endpoints of that VPC."""
        by_vpc = [{"Name": "vpc-id", "Values": [self.vpc(placement)]}]
        found = self.ec2.describe_vpc_endpoints(Filters=by_vpc)["VpcEndpoints"]
        return [endpoint for endpoint in found if endpoint["State"] == "available"]

    def group(self, id: str) -> Any:
        """A security group."""
        return self.ec2.describe_security_groups(GroupIds=[id])["SecurityGroups"][0]

    def acl(self) -> Any:
        """The network ACL of the worker's subnet."""
        subnets = [{"Name": "association.subnet-id", "Values": self.placement()["subnets"]}]
        return next(
            acl
            for acl in self.ec2.describe_network_acls(Filters=subnets)["NetworkAcls"]
            if self.placement()["subnets"][0] in [entry["SubnetId"] for entry in acl["Associations"]]
        )

    def resolves_names(self, placement: Any = None) -> bool:
        """Whether that VPC has DNS."""
        found = self.ec2.describe_vpc_attribute(VpcId=self.vpc(placement), Attribute="enableDnsSupport")
        return bool(found["EnableDnsSupport"]["Value"])

    def trail(self) -> dict[str, Any]:
        """The account's trail, or nothing."""
        [trail, *_] = [*self.world.client("cloudtrail").describe_trails()["trailList"], {}]
        return dict(trail)

    def logs(self) -> bool:
        """Whether the trail logs."""
        return bool(self.world.client("cloudtrail").get_trail_status(Name=TRAIL)["IsLogging"])

    def alarms(self) -> Any:
        """The alarms of the region."""
        return self.world.client("cloudwatch").describe_alarms()["MetricAlarms"]

    def subscriptions(self) -> Any:
        """The subscriptions of the alarm's topic."""
        return self.world.client("sns").list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]

    def past_reads(
        self, days: int, until: int = 1, name: str = "GetSecretValue", region: str = REGION
    ) -> list[dict[str, Any]]:
        """What CloudTrail has of an API's calls from so many days ago until so many."""
        now, attributes = datetime.now(UTC), [{"AttributeKey": "EventName", "AttributeValue": name}]
        period = {"StartTime": now - timedelta(days=days), "EndTime": now - timedelta(days=until)}
        trail = World(self.world.endpoint, region=region).client("cloudtrail")
        pages = trail.get_paginator("lookup_events").paginate(LookupAttributes=attributes, **period)
        return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]

    def roles_that_read(self, days: int, until: int = 1) -> set[str]:
        """The names of the roles that read in that time."""
        calls = self.past_reads(days, until)
        return {call["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"] for call in calls}

    def addresses_of(self, role: str) -> set[str]:
        """From where a role ever read."""
        return {call["sourceIPAddress"] for call in self.past_reads(days=90) if role in call["userIdentity"]["arn"]}

    def whole(self, *names: str) -> bool:
        """Whether the services run all their tasks in one completed deployment that followed the secret."""
        services = self.services()
        return all(is_whole(services[name]) for name in names or [service.name for service in SERVICES])


def references_of(definition: Any, secret: dict[str, Any]) -> dict[str, str]:
    """The valueFrom of each variable of a task definition, without the secret's true ARN."""
    entries = definition["containerDefinitions"][0].get("secrets", [])
    return {entry["name"]: entry["valueFrom"].removeprefix(secret.get("ARN", "?")) for entry in entries}


def is_whole(service: Any) -> bool:
    """Whether a service runs all its tasks in one completed deployment."""
    states = [deployment["rolloutState"] for deployment in service["deployments"]]
    return bool(states == ["COMPLETED"] and service["runningCount"] == service["desiredCount"] > 0)


def user_agent_of_last_put(scene: Scene) -> str:
    """What made the last PutSecretValue, as CloudTrail has it."""
    events = scene.world.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "PutSecretValue"}]
    )["Events"]
    return str(json.loads(events[0]["CloudTrailEvent"])["userAgent"])


def refused_deployment(scene: Scene) -> str:
    """With which words a forced deployment of the backend is refused."""
    with pytest.raises(ClientError) as caught:
        scene.world.ecs.update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True)
    return str(caught.value)


Shown = dict[str, Callable[[Scene], bool]]
"""By the id of a fault: whether a world shows it."""
