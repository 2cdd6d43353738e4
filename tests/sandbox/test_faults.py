"""Every fault of the sandbox, brought about, seen through the public API and mended."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Literal

import pytest
from botocore.exceptions import ClientError

from omc_runbook.diagnosis import root_causes as diagnosis
from omc_runbook.model.errors import UsageError
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.faults import Fault, break_, catalogue, mend
from omc_runbook.sandbox.faults.audit_monitoring import ELSEWHERE, REPORTS, STRANGER
from omc_runbook.sandbox.faults.organization import OTHER_ACCOUNT
from omc_runbook.sandbox.faults.secret import REPLICA_REGION
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.build import FRESH_DOCUMENT, build, is_good
from omc_runbook.sandbox.worlds.monitoring import TOPIC, TRAIL, TRAIL_GROUP
from omc_runbook.sandbox.worlds.staging import (
    CLUSTER,
    CONSUMERS,
    EXECUTION_ROLE,
    KEYS,
    SECRET,
    SECRETS_POLICY,
    SERVICES,
    STAGING,
    TASK_ROLE,
    World,
)

AUDIT_DAYS = 90


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
        arns = self.world.ecs.list_tasks(cluster=CLUSTER)["taskArns"]
        tasks = self.world.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
        return [task["lastStatus"] for task in tasks if not task["group"].startswith("service:")]

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
        ecs = self.world.ecs
        pages = ecs.get_paginator("list_tasks").paginate(cluster=CLUSTER, serviceName=name, desiredStatus="STOPPED")
        tasks = [
            task
            for page in pages
            if page["taskArns"]
            for task in ecs.describe_tasks(cluster=CLUSTER, tasks=page["taskArns"])["tasks"]
        ]
        return [task for task in tasks if task["createdAt"] >= self.since]

    def running(self, name: str) -> Any:
        """A task of a service that runs."""
        arns = self.world.ecs.list_tasks(cluster=CLUSTER, serviceName=name)["taskArns"]
        return self.world.ecs.describe_tasks(cluster=CLUSTER, tasks=arns[:1])["tasks"][0]

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


EVIDENCE: dict[str, Callable[[Scene], bool]] = {
    "secret-missing": lambda s: not s.secret() and s.refused("can't find the specified secret"),
    "scheduled-deletion": lambda s: "DeletedDate" in s.secret() and s.refused("marked for deletion"),
    "no-current-version": lambda s: not s.secret().get("VersionIdsToStages") and s.refused("staging label: AWSCURRENT"),
    "rotation-pending": lambda s: ["AWSPENDING"] in s.secret()["VersionIdsToStages"].values() and s.whole(),
    "rotation-overdue": lambda s: (
        s.secret()["RotationEnabled"] and s.secret()["NextRotationDate"] < s.since - timedelta(days=13) and s.whole()
    ),
    "other-secret-missing": lambda s: "find the specified secret" in s.reasons() and bool(s.text()),
    "other-secret-denied": lambda s: f"resource: {s.other()}" in s.reasons() and "no identity-based" in s.reasons(),
    "other-secret-key": lambda s: "json key SMS_PASSWORD" in s.reasons() and "SMS_PASSWORD" not in s.text(),
    "other-secret-rotated": lambda s: (
        s.world.secretsmanager.describe_secret(SecretId=s.other())["LastChangedDate"] > s.running("worker")["startedAt"]
        and s.whole()
    ),
    "parameter-missing": lambda s: "ParameterNotFound" in s.reasons(),
    "parameter-denied": lambda s: "not authorized to perform: ssm:GetParameters" in s.reasons(),
    "parameter-changed": lambda s: "SMS_CREDENTIAL" in s.references("worker") and s.whole(),
    "platform-version": lambda s: (
        s.service("worker")["platformVersion"] == "1.3.0" and "unexpected ARN format" in s.reasons()
    ),
    "sidecar-only": lambda s: (
        "OPENAI_API_KEY" not in s.references("worker") and "OPENAI_API_KEY: field required" in s.log("worker")
    ),
    "replica-stale": lambda s: (
        [(each["Region"], each["Status"]) for each in s.secret()["ReplicationStatus"]] == [("us-east-1", "Failed")]
        and s.whole()
    ),
    "wrong-region": lambda s: ":ap-southeast-1:" in s.references("worker")["SECRET_KEY"] and s.whole(),
    "wrong-account": lambda s: ACCOUNT not in s.references("worker")["SECRET_KEY"] and "GetSecretValue" in s.reasons(),
    "suffix-stale": lambda s: (
        f":secret:{SECRET}-" in s.references("backend")["SECRET_KEY"]
        and s.secret()["ARN"] not in s.references("backend")["SECRET_KEY"]
        and s.refused("can't find the specified secret")
    ),
    "partial-arn": lambda s: s.references("worker")["SECRET_KEY"].endswith(f":{SECRET}:SECRET_KEY::") and s.whole(),
    "bare-name": lambda s: s.references("worker")["SECRET_KEY"] == SECRET and "ssm" in s.reasons(),
    "arn-malformed": lambda s: (
        s.references("worker")["SECRET_KEY"] == ":SECRET_KEY" and "unexpected ARN format" in s.reasons()
    ),
    "whole-json": lambda s: s.references("worker")["OPENAI_API_KEY"] == "" and s.whole(),
    "key-unreferenced": lambda s: (
        bool(s.key("NEWS_API_KEY")) and "NEWS_API_KEY" not in s.references("backend") and s.whole()
    ),
    "previous-pinned": lambda s: (
        s.references("worker")["SECRET_KEY"] == ":SECRET_KEY:AWSPREVIOUS:"
        and json.loads(s.value("AWSPREVIOUS")["SecretString"])["SECRET_KEY"] != s.key("SECRET_KEY")
        and s.whole()
    ),
    "version-pinned": lambda s: (
        s.references("worker")["SECRET_KEY"] == f":SECRET_KEY::{s.value()['VersionId']}" and s.whole()
    ),
    "version-short": lambda s: (
        s.references("worker")["SECRET_KEY"] == ":SECRET_KEY::0123abcd" and "GetSecretValue" in s.reasons()
    ),
    "duplicate-name": lambda s: (
        "SECRET_KEY" in s.references("worker")
        and {"name": "SECRET_KEY", "value": ""} in s.definition("worker")["containerDefinitions"][0]["environment"]
        and s.whole()
    ),
    "plain-secret": lambda s: (
        any(
            entry["name"] == "STRIPE_API_KEY" and entry["value"]
            for entry in s.definition("worker")["containerDefinitions"][0]["environment"]
        )
        and s.whole()
    ),
    "name-mismatch": lambda s: (
        s.references("backend")["SECRETKEY"] == ":SECRET_KEY::"
        and "SECRET_KEY" not in s.references("backend")
        and s.whole()
    ),
    "key-missing": lambda s: (
        set(KEYS) - set(json.loads(s.text())) == {"OPENAI_API_KEY"} and s.refused("json key OPENAI_API_KEY")
    ),
    "key-case": lambda s: bool(s.key("openai_api_key")) and s.refused("json key OPENAI_API_KEY"),
    "key-misspelt": lambda s: bool(s.key("OPENAI_API_KYE")) and s.refused("json key OPENAI_API_KEY"),
    "not-json": lambda s: s.text().startswith("SECRET_KEY=") and s.refused("looking for beginning of value"),
    "single-quoted": lambda s: s.text().startswith("{'") and s.refused("invalid character '\\''"),
    "bom": lambda s: s.text().startswith("\ufeff{") and s.refused("looking for beginning of value"),
    "truncated": lambda s: not s.text().endswith("}") and s.refused("unexpected end of JSON input"),
    "null": lambda s: s.key("OPENAI_API_KEY") is None and s.whole(),
    "nested": lambda s: isinstance(s.key("OPENAI_API_KEY"), dict) and s.whole(),
    "not-an-object": lambda s: s.text().startswith("[") and s.refused("cannot unmarshal"),
    "duplicate-key": lambda s: s.text().count('"OPENAI_API_KEY"') == 2 and s.whole(),
    "number-format": lambda s: s.key("OPENAI_API_KEY") == 12345678 and s.whole(),
    "weak": lambda s: s.key("SMTP_PASSWORD") == "found" and s.whole(),
    "wrong-form": lambda s: "@" not in s.key("FIRST_SUPERUSER"),
    "values-exchanged": lambda s: "@" in s.key("FIRST_SUPERUSER_PASSWORD"),
    "address-differs": lambda s: (
        s.key("POSTGRES_PASSWORD") not in s.key("DATABASE_URL")
        and "DATABASE_URL" in s.references("worker")
        and s.whole()
    ),
    "wrong-host": lambda s: "production" in s.key("REDIS_URL") and "REDIS_URL" in s.references("worker") and s.whole(),
    "value-refused": lambda s: "POSTGRES_PORT" in s.log("worker"),
    "bad-copy": lambda s: s.key("OPENAI_API_KEY").startswith('"') and s.whole(),
    "white-space": lambda s: s.key("OPENAI_API_KEY").endswith("\n") and s.whole(),
    "binary": lambda s: "SecretString" not in s.value() and s.refused("unexpected end of JSON input"),
    "empty": lambda s: s.key("SECRET_KEY") == "" and s.whole(),
    "changethis": lambda s: (
        s.key("SECRET_KEY") == "changethis"
        and all(task["stopCode"] == "EssentialContainerExited" for task in s.stopped("worker"))
        and bool(s.stopped("worker"))
    ),
    "placeholder": lambda s: s.key("SECRET_KEY").endswith("-please-update") and s.whole(),
    "url-chars": lambda s: s.key("POSTGRES_PASSWORD").endswith("/@:#"),
    "terraform-overwrote": lambda s: (
        json.loads(s.text()) == FRESH_DOCUMENT and "Terraform" in user_agent_of_last_put(s) and s.whole()
    ),
    "role-absent": lambda s: "executionRoleArn" not in s.definition("worker") and "execution role" in s.reasons(),
    "role-untrusted": lambda s: (
        "ec2.amazonaws.com" in str(s.world.iam.get_role(RoleName=EXECUTION_ROLE)["Role"]["AssumeRolePolicyDocument"])
        and s.refused("ECS was unable to assume the role")
    ),
    "no-permission": lambda s: (
        SECRETS_POLICY not in s.world.iam.list_role_policies(RoleName=EXECUTION_ROLE)["PolicyNames"]
        and s.refused("no identity-based policy allows")
    ),
    "pattern-suffix": lambda s: (
        s.policy()["Resource"][0].endswith(f":{SECRET}") and s.refused("no identity-based policy allows")
    ),
    "identity-deny": lambda s: s.refused("explicit deny in an identity-based policy"),
    "boundary": lambda s: s.refused("no permissions boundary allows"),
    "scp": lambda s: s.refused("explicit deny in a service control policy"),
    "resource-deny": lambda s: (
        "Deny" in s.world.secretsmanager.get_resource_policy(SecretId=SECRET)["ResourcePolicy"]
        and s.refused("explicit deny in a resource-based policy")
    ),
    "kms-disabled": lambda s: s.key_state() == "Disabled" and s.refused("DecryptionFailure"),
    "kms-pending": lambda s: s.key_state() == "PendingDeletion" and s.refused("DecryptionFailure"),
    "kms-cross-account": lambda s: (
        ACCOUNT not in s.references("worker")["SECRET_KEY"] and "different AWS account" in s.reasons()
    ),
    "kms-no-permission": lambda s: s.key_state() == "Enabled" and s.refused("Access to KMS is not allowed"),
    "kms-useless-grant": lambda s: s.key_state() == "Enabled" and s.refused("Access to KMS is not allowed"),
    "throttled": lambda s: s.refused("ThrottlingException"),
    "no-egress": lambda s: not s.endpoints() and "connection issue" in s.reasons(),
    "endpoint-sg": lambda s: (
        not s.group(s.endpoints()[0]["Groups"][0]["GroupId"])["IpPermissions"] and "connection issue" in s.reasons()
    ),
    "private-dns-off": lambda s: not s.endpoints()[0]["PrivateDnsEnabled"] and "connection issue" in s.reasons(),
    "sg-egress": lambda s: (
        not s.group(s.placement()["securityGroups"][0])["IpPermissionsEgress"] and "connection issue" in s.reasons()
    ),
    "network-acl": lambda s: (
        [entry["RuleNumber"] for entry in s.acl()["Entries"] if entry["RuleAction"] == "deny"] == [90]
        and "connection issue" in s.reasons()
    ),
    "endpoint-policy": lambda s: (
        SECRET not in s.endpoints()[0]["PolicyDocument"] and "no VPC endpoint policy allows" in s.reasons()
    ),
    "vpc-dns-off": lambda s: not s.resolves_names() and "connection issue" in s.reasons(),
    "not-forced": lambda s: (
        s.value()["CreatedDate"] > s.service("backend")["deployments"][0]["createdAt"] and s.whole()
    ),
    "wrong-names": lambda s: (
        not s.world.services()
        and s.service(f"{STAGING}-backend", f"{STAGING}-cluster")["deployments"][0]["rolloutState"] == "COMPLETED"
    ),
    "rollout-stuck": lambda s: (
        s.rollout("worker")[0] == "IN_PROGRESS"
        and s.service("worker")["deployments"][1]["runningCount"] == 1
        and all("startedAt" in task for task in s.stopped("worker"))
    ),
    "breaker-rollback": lambda s: "circuit breaker: rolling back" in s.rollout("backend")[1],
    "command-fails": lambda s: (
        127 in {container["exitCode"] for task in s.stopped("backend") for container in task["containers"]}
        and "circuit breaker" in s.rollout("backend")[1]
    ),
    "other-definition": lambda s: s.definition("worker")["family"] == f"{STAGING}-backend" and s.whole(),
    "deployment-paused": lambda s: s.pauses("backend") == ["AWAITING_ACTION"],
    "lone-task": lambda s: s.alone() == ["RUNNING"] and s.whole(),
    "desired-zero": lambda s: s.service("backend")["desiredCount"] == s.service("backend")["runningCount"] == 0,
    "external-controller": lambda s: (
        s.service("backend")["deploymentController"]["type"] == "EXTERNAL"
        and s.service("backend")["taskSets"][0]["runningCount"] == 2
    ),
    "code-deploy": lambda s: (
        s.service("backend")["deploymentController"]["type"] == "CODE_DEPLOY"
        and s.service("backend")["taskSets"][0]["runningCount"] == 2
        and "CODE_DEPLOY" in refused_deployment(s)
    ),
    "image-pull": lambda s: "CannotPullContainerError" in s.reasons() and ": not found" in s.reasons(),
    "out-of-memory": lambda s: any(
        (container["exitCode"], container["reason"]) == (137, "OutOfMemoryError: Container killed due to memory usage")
        for task in s.stopped("worker")
        for container in task["containers"]
    ),
    "log-group": lambda s: (
        "failed to validate logger args" in s.reasons() and "log group does not exist" in s.reasons()
    ),
    "store-only": lambda s: "password authentication failed for user" in s.log("worker"),
    "health-check": lambda s: (
        s.rollout("worker")[0] == "IN_PROGRESS"
        and "health checks" in s.reasons()
        and all("startedAt" in task for task in s.stopped("worker"))
    ),
    "entrypoint-override": lambda s: s.command("worker") == ["--sandbox-replace=OPENAI_API_KEY"] and s.whole(),
    "baked-env": lambda s: "OPENAI_API_KEY" not in s.references("worker") and s.whole(),
    "app-cache": lambda s: (
        s.command("worker") == ["--sandbox-cached"]
        and s.running("worker")["createdAt"] > s.value()["CreatedDate"]
        and s.whole()
    ),
    "exec-off": lambda s: (
        s.running("worker")["enableExecuteCommand"] is False and "not enabled" in s.exec_refusal("worker") and s.whole()
    ),
    "exec-agent": lambda s: s.has_no_agent("worker") and not s.has_no_agent("backend") and s.whole(),
    "exec-iam": lambda s: s.has_no_agent("worker") and s.has_no_agent("backend") and s.whole(),
    "exec-endpoint": lambda s: s.has_no_agent("worker") and not s.has_no_agent("backend") and s.whole(),
    "exec-readonly": lambda s: (
        s.definition("worker")["containerDefinitions"][0]["readonlyRootFilesystem"] is True
        and s.has_no_agent("worker")
        and s.whole()
    ),
    "exec-kms": lambda s: bool(s.session_key()) and not s.has_no_agent("worker") and s.whole(),
    "exec-static-keys": lambda s: s.has_no_agent("worker") and not s.has_no_agent("backend") and s.whole(),
    "exec-no-shell": lambda s: (
        s.command("worker") == ["--sandbox-no-shell"] and not s.has_no_agent("worker") and s.whole()
    ),
    "wildcard-secret": lambda s: s.policy()["Resource"].endswith(":secret:*") and s.whole(),
    "readable-by-all": lambda s: s.own_policy()["Principal"] == "*",
    "other-account-reads": lambda s: s.own_policy()["Principal"]["AWS"].startswith(f"arn:aws:iam::{OTHER_ACCOUNT}:"),
    "human-may-read": lambda s: s.identity("User", f"{STAGING}-developer")["UserPolicyList"] != [],
    "unused-reader": lambda s: s.identity("Role", f"{STAGING}-reports")["CreateDate"] < s.since - timedelta(days=199),
    "can-write-secret": lambda s: (
        "secretsmanager:PutSecretValue" in json.dumps(s.identity("Role", TASK_ROLE)["RolePolicyList"])
    ),
    "can-pass-role": lambda s: (
        "iam:PassRole" in json.dumps(s.identity("Role", f"{STAGING}-contractors")["RolePolicyList"])
    ),
    "grant-to-stranger": lambda s: (
        [
            OTHER_ACCOUNT in grant["GranteePrincipal"]
            for grant in s.world.kms.list_grants(KeyId=s.secret()["KmsKeyId"])["Grants"]
        ]
        == [True]
    ),
    "federated-any-subject": lambda s: (
        "oidc-provider" in json.dumps(s.identity("Role", f"{STAGING}-reports")["AssumeRolePolicyDocument"])
    ),
    "can-become-reader": lambda s: (
        "iam:UpdateAssumeRolePolicy" in json.dumps(s.identity("Role", f"{STAGING}-contractors")["RolePolicyList"])
    ),
    "no-trail": lambda s: not s.trail(),
    "trail-not-logging": lambda s: s.logs() is False,
    "trail-one-region": lambda s: s.logs() and not s.trail()["IsMultiRegionTrail"],
    "trail-not-validated": lambda s: s.logs() and not s.trail()["LogFileValidationEnabled"],
    "trail-without-reads": lambda s: (
        s.world.client("cloudtrail").get_event_selectors(TrailName=TRAIL)["EventSelectors"][0]["ReadWriteType"]
        == "WriteOnly"
    ),
    "no-alarm": lambda s: (
        not s.alarms() and not s.world.logs.describe_metric_filters(logGroupName=TRAIL_GROUP)["metricFilters"]
    ),
    "alarm-off": lambda s: [alarm["ActionsEnabled"] for alarm in s.alarms()] == [False],
    "alarm-to-nobody": lambda s: [each["SubscriptionArn"] for each in s.subscriptions()] == ["PendingConfirmation"],
    "new-reader": lambda s: s.roles_that_read(days=7) - s.roles_that_read(days=90, until=7) == {STRANGER},
    "new-address": lambda s: {ELSEWHERE} < s.addresses_of(REPORTS),
    "read-burst": lambda s: len([call for call in s.past_reads(days=7) if REPORTS in str(call)]) == 40,
    "rising-errors": lambda s: len([call for call in s.past_reads(days=7) if "errorCode" in call]) == 9,
    "catch-all-batch": lambda s: (
        [call["requestParameters"] for call in s.past_reads(days=7, name="BatchGetSecretValue")]
        == [{"filters": [{"key": "name", "values": ["ohmycoins"]}]}]
    ),
    "read-from-other-region": lambda s: (
        [each["Region"] for each in s.secret()["ReplicationStatus"]] == [REPLICA_REGION]
        and len(s.past_reads(days=7, region=REPLICA_REGION)) == 1
    ),
    "key-overdue": lambda s: s.current_age() > timedelta(days=199) and s.whole(),
    "key-due-soon": lambda s: timedelta(days=169) < s.current_age() < timedelta(days=180) and s.whole(),
    "rotation-not-real": lambda s: (
        s.secret()["LastRotatedDate"] > s.since - timedelta(seconds=1)
        and s.text() == s.value("AWSPREVIOUS")["SecretString"]
        and s.whole()
    ),
    "plain-in-definition": lambda s: (
        {"name": "SESSION_SIGNER", "value": s.key("SECRET_KEY")}
        in s.definition("frontend")["containerDefinitions"][0]["environment"]
        and s.whole()
    ),
    "value-in-log": lambda s: (
        s.key("OPENAI_API_KEY")
        in s.world.logs.filter_log_events(logGroupName=f"/ecs/{STAGING}/backend")["events"][-1]["message"]
        and s.whole()
    ),
    "value-shared": lambda s: s.other_value("ohmycoins-production-app-secrets")["SECRET_KEY"] == s.key("SECRET_KEY"),
    "key-unused": lambda s: bool(s.key("LEGACY_TOKEN")) and "LEGACY_TOKEN" not in s.references("backend") and s.whole(),
    "secret-unused": lambda s: (
        s.world.secretsmanager.describe_secret(SecretId=f"{STAGING}-payments")["CreatedDate"]
        < s.since - timedelta(days=199)
    ),
    "version-unlabelled": lambda s: s.stages().count([]) >= 50 and s.whole(),
    "key-not-rotated": lambda s: (
        not s.world.kms.get_key_rotation_status(KeyId=s.secret()["KmsKeyId"])["KeyRotationEnabled"] and s.whole()
    ),
    "rotation-broken": lambda s: s.secret()["RotationEnabled"] and s.has_no_function(s.secret()["RotationLambdaARN"]),
    "tags-missing": lambda s: (
        not s.secret().get("Tags")
        and len(s.world.secretsmanager.describe_secret(SecretId=f"{STAGING}-mail")["Tags"]) == 2
    ),
    "quota-near": lambda s: len(s.text()) > 0.8 * 65_536 and s.whole(),
}


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


def assert_healthy(scene: Scene) -> None:
    """Nothing of a fault is left: values, references, permissions, key and tasks are as they should be."""
    secret, value, services = scene.secret(), scene.value(), scene.services()
    assert is_good(str(value["SecretString"]))
    assert not {"DeletedDate", "KmsKeyId", "ReplicationStatus"} & set(secret) and not secret.get("RotationEnabled")
    assert "ResourcePolicy" not in scene.world.secretsmanager.get_resource_policy(SecretId=SECRET)
    assert set(services) == {service.name for service in SERVICES} and all(map(is_whole, services.values()))
    for consumer in CONSUMERS:
        definition, primary = scene.definition_of(services[consumer.name]), services[consumer.name]["deployments"][0]
        assert references_of(definition, secret) == {key: f":{key}::" for key in consumer.keys}
        assert definition["executionRoleArn"].endswith(EXECUTION_ROLE)
        assert primary["rolloutStateReason"].endswith("completed.")
        assert primary["createdAt"] >= value["CreatedDate"]
    placement = scene.placement_of(services["worker"])
    assert len(scene.ec2.describe_vpcs()["Vpcs"]) == 1 and not scene.endpoints(placement)
    assert placement["assignPublicIp"] == "ENABLED" and scene.resolves_names(placement)
    assert scene.policy()["Resource"] == f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{SECRET}-??????"


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    """A healthy sandbox that this module's tests break and mend in turn."""
    return World(sandbox.endpoint)


@pytest.fixture
def scene(world: World) -> Scene:
    """The world from now on."""
    return Scene(world, datetime.now(UTC))


def root_causes(endpoint: str) -> list[str]:
    """What a deep look's diagnosis calls the cause of what it sees."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lifecycle.at(endpoint).variables.items():
            patch.setenv(name, value)
        run = runbooks_run.begin("verify", "staging")
        findings = runbooks_run.diagnose(run.look(look_inside=True, deeply=True))
    return list(dict.fromkeys(finding.check for finding in findings if finding.is_root_cause))


def audited(endpoint: str, expected: str = "") -> list[str]:
    """The root causes that an audit finds, and what is expected where it is a remark."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lifecycle.at(endpoint).variables.items():
            patch.setenv(name, value)
        [target] = runbooks_run.begin("verify", "staging").targets
        findings = diagnosis.audit(target.look(audit_days=AUDIT_DAYS))
    found = [
        finding
        for finding in findings
        if finding.is_root_cause or (finding.status == "found" and finding.check == expected)
    ]
    return list(dict.fromkeys(finding.check for finding in found))


def test_healthy_world(scene: Scene) -> None:
    """A new healthy world shows no trace of any fault."""
    assert_healthy(scene)


FAMILIES = {family: list(faults) for family, faults in groupby(catalogue(), lambda fault: fault.family)}
"""The faults of each family, in the order in which they are broken and mended."""


@pytest.mark.parametrize("fault", catalogue(), ids=lambda fault: fault.id)
def test_fault(fault: Fault, scene: Scene) -> None:
    """A fault shows itself in the API as it would on AWS, is the only root cause, and mending leaves nothing of it."""
    break_(scene.world.endpoint, fault.id)
    assert EVIDENCE[fault.id](scene), (scene.rollout("worker"), scene.reasons()[:400])
    is_audit = fault.family == "audit"
    endpoint = scene.world.endpoint
    assert (audited(endpoint, fault.id) if is_audit else root_causes(endpoint)) == [fault.id]
    mend(scene.world.endpoint)
    assert_healthy(scene)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mended_family_leaves_nothing_to_find(family: str, scene: Scene) -> None:
    """After each fault of a family came and went, a deep look finds nothing wrong, and no trace is in the API."""
    assert_healthy(scene)
    assert root_causes(scene.world.endpoint) == []
    if family == "audit":
        assert audited(scene.world.endpoint) == []


def test_fresh_world(scene: Scene) -> None:
    """A fresh world runs on Terraform's placeholders, and mending makes it healthy."""
    build(scene.world.endpoint, "fresh")
    assert json.loads(scene.text()) == FRESH_DOCUMENT
    assert scene.whole()
    mend(scene.world.endpoint)
    assert_healthy(scene)


def test_own_good_values_survive(scene: Scene) -> None:
    """Values that somebody put into a healthy world are still there after a fault came and went."""
    text = json.dumps({**json.loads(scene.text()), "SMTP_USER": "somebody@example.com"})
    scene.world.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=text)
    break_(scene.world.endpoint, "truncated")
    mend(scene.world.endpoint)
    assert scene.key("SMTP_USER") == "somebody@example.com"


def test_what_is_not_there_cannot_be_broken(scene: Scene) -> None:
    """A fault that a person has mended in another way cannot be injected anew before the world is restored."""
    break_(scene.world.endpoint, "no-permission")
    with pytest.raises(UsageError, match="Restore the healthy world first: omc-runbook sandbox mend"):
        break_(scene.world.endpoint, "no-permission")
    mend(scene.world.endpoint)
    assert_healthy(scene)


def test_mends_one_of_two(scene: Scene) -> None:
    """Mending one fault by name leaves the other that the server knows of."""
    sandbox = lifecycle.at(scene.world.endpoint)
    for fault in ("desired-zero", "placeholder"):
        break_(scene.world.endpoint, fault)
    lifecycle.ask(sandbox, "POST", "note", {"broken": ["desired-zero", "placeholder"]})
    mend(scene.world.endpoint, "placeholder")
    assert is_good(scene.text())
    assert EVIDENCE["desired-zero"](scene)
    lifecycle.ask(sandbox, "POST", "note", {"broken": []})
    mend(scene.world.endpoint)
    assert_healthy(scene)


@pytest.mark.parametrize("verb", [break_, mend])
def test_unknown_fault(verb: Callable[[str, str], None], world: World) -> None:
    """An unknown fault is refused with the nearest that exists."""
    with pytest.raises(UsageError, match="no-permission"):
        verb(world.endpoint, "no-permision")


def test_evidence_for_all() -> None:
    """No two faults share an id, and each has its evidence here."""
    ids = [fault.id for fault in catalogue()]
    assert sorted(ids) == sorted(EVIDENCE)
