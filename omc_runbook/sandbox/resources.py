"""The resources of a call, by the ARNs that a policy must name, and their tags."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from moto.cloudtrail.models import cloudtrail_backends
from moto.ecs.models import ecs_backends
from moto.kms.models import kms_backends
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends

from omc_runbook.iam.request_keys import Keys
from omc_runbook.model.arn import account_in
from omc_runbook.sandbox.aws.kms import find_key, labels_of
from omc_runbook.sandbox.calls import Call
from omc_runbook.sandbox.principals import find_role

_CLUSTER_ACTIONS = {"DescribeClusters", "DeleteCluster", "UpdateCluster", "PutClusterCapacityProviders"}
_SERVICE_ACTIONS = {
    *("DescribeServices", "CreateService", "UpdateService", "DeleteService", "CreateTaskSet"),
    "ListServiceDeployments",
}
_ARN_ACTIONS = {
    "DescribeServiceDeployments": "serviceDeploymentArns",
    "DescribeServiceRevisions": "serviceRevisionArns",
    "StopServiceDeployment": "serviceDeploymentArn",
    "ContinueServiceDeployment": "serviceDeploymentArn",
    "DescribeDaemon": "daemonArn",
    "UpdateDaemon": "daemonArn",
    "DeleteDaemon": "daemonArn",
    "ListDaemonDeployments": "daemonArn",
    "DescribeDaemonRevisions": "daemonRevisionArns",
    "DescribeDaemonDeployments": "daemonDeploymentArns",
    "DescribeExpressGatewayService": "serviceArn",
    "UpdateExpressGatewayService": "serviceArn",
    "DeleteExpressGatewayService": "serviceArn",
}
_TASK_ACTIONS = {"DescribeTasks", "StopTask", "ExecuteCommand"}


def resources_of(call: Call, account: str) -> list[str]:
    """The ARNs that the call needs permission for; ["*"] if its action has no resources.

    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    find = _FINDERS.get(call.service)
    return (find(call, account) if find else []) or ["*"]


def find_more_permissions(call: Call, account: str, resource: str) -> list[tuple[str, str, Keys]]:
    """Further permissions that a call needs, each with its ARN and the condition keys of it.

    Tags need that to tag, and a task definition that to pass its roles to ECS:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/supported-iam-actions-tagging.html,
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html,
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html

    An object of S3 needs its key, and one that is not there the permission to learn that:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    if call.permission in ("s3:GetObject", "s3:PutObject"):
        return [*_also_needed_for_object(call, account)]
    if call.permission not in ("ecs:RegisterTaskDefinition", "secretsmanager:CreateSecret"):
        return []
    needed: list[tuple[str, str, Keys]] = []
    if call.params.get("tags", call.params.get("Tags")):
        needed.append((f"{call.service}:TagResource", resource, {}))
    for role in filter(None, (call.text("executionRoleArn"), call.text("taskRoleArn"))):
        needed.append(("iam:PassRole", role, {"iam:PassedToService": "ecs-tasks.amazonaws.com"}))
    return needed


def _also_needed_for_object(call: Call, account: str) -> Iterator[tuple[str, str, Keys]]:
    buckets = s3_backends[account]["aws"].buckets
    bucket, name = buckets.get(call.text("Bucket")), call.text("Key")
    existing = bucket.keys.get(name) if bucket else None
    if call.action == "GetObject":
        if bucket and existing is None:
            yield "s3:ListBucket", bucket.arn, {}
        key_id, action = (existing.kms_key_id if existing else ""), "kms:Decrypt"
    else:
        rule = ((bucket.encryption if bucket else None) or {}).get("Rule", {})
        default = rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID", "")
        key_id, action = call.text("SSEKMSKeyId") or default, "kms:GenerateDataKey"
    if key_id:
        arn, aliases = _key(key_id, account, call.region)
        yield action, arn, {"kms:ResourceAliases": aliases}


def _key(key_id: str, account: str, region: str) -> tuple[str, tuple[str, ...]]:
    """A key's ARN and aliases, by its id, ARN or alias."""
    key = find_key(key_id, account, region)
    if key is None:
        return (key_id if key_id.startswith("arn:") else f"arn:aws:kms:{region}:{account}:{key_id}"), ()
    return str(key.arn), tuple(labels_of(key)["aliases"])


def keys_of(call: Call, account: str, resource: str) -> Keys:
    """The condition keys of a resource: its account and its tags; none of a resource that does not exist.

    A service that is looked for by another name than its own ARN, and a task, have no tags here.
    """
    find = _TAGS.get(call.service)
    return _keys(account, find(call, account, resource) if find else {})


def keys_of_role(arn: str) -> Keys:
    """The condition keys of a role that is to be assumed, in any account."""
    account = account_in(arn) if ":role/" in arn else ""
    return _keys(account, _role_tags(arn, account) if account else {})


def _keys(account: str, tags: Mapping[str, str]) -> Keys:
    return {
        "aws:ResourceAccount": account,
        "aws:ResourceTag/*": (),
        **{f"aws:ResourceTag/{name}": value for name, value in tags.items()},
    }


def _role_tags(arn: str, account: str) -> Mapping[str, str]:
    role = find_role(arn.rpartition("/")[2], account)
    return _tags(role.tags or (), "Key", "Value") if role is not None else {}


def _tags_of_key(call: Call, account: str, resource: str) -> Mapping[str, str]:
    backend, key_id = kms_backends[account][call.region], resource.rpartition("/")[2]
    return _tags(backend.list_resource_tags(key_id)["Tags"], "TagKey", "TagValue") if key_id in backend.keys else {}


def _tags_of_service(call: Call, account: str, resource: str) -> Mapping[str, str]:
    services = list(ecs_backends[account][call.region].services.values())
    service = next((service for service in services if service.arn == resource), None)
    return _tags(service.tags or (), "key", "value") if service is not None else {}


def _tags(tags: Iterable[Mapping[str, str]], name: str, value: str) -> dict[str, str]:
    return {tag[name]: tag[value] for tag in tags}


def _arns(call: Call, account: str, prefix: str, names: Iterable[str]) -> list[str]:
    """The ARN of each name, which may be one already; `prefix` is what stands before the name in the service's ARNs."""
    base = f"arn:aws:{call.service}:{call.region}:{account}:{prefix}"
    return [name if name.startswith("arn:") else f"{base}{name}" for name in names if name]


def _ecs(call: Call, account: str) -> list[str]:
    cluster = (call.text("cluster") or "default").rpartition("/")[2]
    if call.action in _CLUSTER_ACTIONS:
        return _arns(call, account, "cluster/", call.texts("clusters") or [call.text("cluster", "clusterName")])
    if call.action in _SERVICE_ACTIONS:
        names = call.texts("services") or [call.text("service", "serviceName")]
        return _arns(call, account, f"service/{cluster}/", names)
    if call.action in _TASK_ACTIONS:
        return _arns(call, account, f"task/{cluster}/", call.texts("tasks") or [call.text("task")])
    if call.action in _ARN_ACTIONS:
        member = _ARN_ACTIONS[call.action]
        return call.texts(member) or [call.text(member)]
    if call.action == "RegisterTaskDefinition":
        return _arns(call, account, "task-definition/", [f"{call.text('family')}:*"])
    if call.action == "RunTask":
        return _arns(call, account, "task-definition/", [call.text("taskDefinition")])
    return []


def _cloudtrail(call: Call, account: str) -> list[str]:
    """The event data store that is read or queried."""
    name = call.text("EventDataStore")
    if call.action == "StartQuery":
        name = call.text("QueryStatement").partition(" FROM ")[2].partition(" ")[0]
    elif call.action == "GetQueryResults":
        backend = cloudtrail_backends[account][call.region]
        name = vars(backend).get("queries", {}).get(call.text("QueryId"), ("",))[0]
    return _arns(call, account, "eventdatastore/", [name])


def _events(call: Call, account: str) -> list[str]:
    name, bus = call.text("Name", "Rule"), call.text("EventBusName")
    path = f"{bus}/{name}" if bus not in ("", "default") else name
    return [f"arn:aws:events:{call.region}:{account}:rule/{path}"] if name else []


def _s3(call: Call, account: str) -> list[str]:
    path = "/".join(filter(None, (call.text("Bucket"), call.text("Key"))))
    return [f"arn:aws:s3:::{path}"]


def _from_parameter(parameter: str) -> Callable[[Call, str], list[str]]:
    """A finder of the ARN that a parameter has."""
    return lambda call, account: [call.text(parameter)] if call.text(parameter) else []


def _scheduler(call: Call, account: str) -> list[str]:
    if not call.text("Name"):
        return []
    return [f"arn:aws:scheduler:{call.region}:{account}:schedule/{call.text('GroupName')}/{call.text('Name')}"]


def _iam(call: Call, account: str) -> list[str]:
    policy = call.text("PolicyArn", "PolicySourceArn")
    if call.action in ("AttachRolePolicy", "DetachRolePolicy") or not policy:
        for parameter, kind in (("RoleName", "role"), ("UserName", "user"), ("PolicyName", "policy")):
            if name := call.text(parameter):
                role = find_role(name, account) if kind == "role" else None
                return [role.arn if role is not None else f"arn:aws:iam::{account}:{kind}/{name}"]
    return [policy] if policy else []


def _kms(call: Call, account: str) -> list[str]:
    key_id = call.text("KeyId")
    if not key_id or (key_id.startswith("arn:") and ":key/" in key_id):
        return [key_id] if key_id else []
    backend = kms_backends[account][call.region]
    if "alias/" in key_id:
        key_id = backend.get_key_id_from_alias(backend.get_alias_name(key_id)) or key_id
    return [f"arn:aws:kms:{call.region}:{account}:key/{key_id}"]


def _lambda(call: Call, account: str) -> list[str]:
    return _arns(call, account, "function:", [call.text("FunctionName")])


def _logs(call: Call, account: str) -> list[str]:
    base = f"arn:aws:logs:{call.region}:{account}:log-group"
    group = call.text("logGroupName") or call.text("logGroupIdentifier").rpartition(":log-group:")[2]
    if call.action == "DescribeLogGroups":
        return [f"{base}:*"]
    if call.action == "GetLogEvents":
        return [f"{base}:{group}:log-stream:{call.text('logStreamName')}"]
    return [f"{base}:{group}:*"] if group else []


def _secretsmanager(call: Call, account: str) -> list[str]:
    name = call.text("SecretId", "Name")
    if not name:
        return []
    secret = secretsmanager_backends[account][call.region].secrets.get(name)
    if secret is not None:
        return [secret.arn]
    return [name if name.startswith("arn:") else f"arn:aws:secretsmanager:{call.region}:{account}:secret:{name}-??????"]


_FINDERS: dict[str, Callable[[Call, str], list[str]]] = {
    "ecs": _ecs,
    "cloudtrail": _cloudtrail,
    "events": _events,
    "iam": _iam,
    "kms": _kms,
    "lambda": _lambda,
    "logs": _logs,
    "s3": _s3,
    "sns": _from_parameter("TopicArn"),
    "scheduler": _scheduler,
    "secretsmanager": _secretsmanager,
    "sts": _from_parameter("RoleArn"),
}
_TAGS: dict[str, Callable[[Call, str, str], Mapping[str, str]]] = {
    "ecs": _tags_of_service,
    "iam": lambda call, account, resource: _role_tags(resource, account),
    "kms": _tags_of_key,
}
