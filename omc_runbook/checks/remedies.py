"""Remedies: the runbook that fixes a fault, and the AWS commands by hand, with this environment's names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from omc_runbook.aws.definitions import ACTIVE, TaskDefinition
from omc_runbook.aws.ecs import EXPRESS, Service
from omc_runbook.aws.secretsmanager import PENDING, Replica, Secret
from omc_runbook.model import letters
from omc_runbook.model.aws_names import Names
from omc_runbook.model.catalogue import encrypts
from omc_runbook.model.environment import PRODUCTION, Environment
from omc_runbook.model.findings import Remedy, as_one, is_sentence
from omc_runbook.model.grouping import batches
from omc_runbook.model.shell import command
from omc_runbook.snapshot.audit.secret_calls import ECS_TASKS
from omc_runbook.snapshot.roles import CHANNELS, DECRYPT

CONTROLLED = {
    "EXTERNAL": "create a task set: aws ecs create-task-set",
    "CODE_DEPLOY": "start a CodeDeploy deployment: aws deploy create-deployment",
}
"""How new tasks are started where ECS refuses to, by deployment controller."""
FROM_FILE = "file://secrets.json"
_WHOLE = "secrets.json is the whole secret, one JSON object with all its keys and values, readable only by you."
_IS_TAKEN = re.compile(r"already exists|of this name exists", re.IGNORECASE)
"""A replica's StatusMessage where its region has another secret of that name."""
_CHANGES = re.compile(r"aws (?!ecs |logs )(?!\S+ (?:describe|list)-)")
"""Commands that change what tasks read when they start."""
_STARTED = re.compile(r"--task-definition(?:-arn \S+?:task-definition/| )([\w-]+:\d+)")
"""The revision, family:revision, of which a command starts tasks."""
_NOT_IN_A_NAME = re.compile(r"[^\w+=,.@-]")


def create(environment: Environment) -> Remedy:
    """Create the secret with placeholders, by the runbook."""
    return with_runbook("create", environment, create_secret(environment.names))


def update(environment: Environment, key: str = "", remove: str = "") -> Remedy:
    """Give a key a new value, or without a key write the whole document, by the runbook.

    The value is generated where the catalogue says how, unless the database needs the same one.
    """
    entry = environment.keys.get(key)
    is_generated = entry is not None and entry.generate and entry.effect != "database-too"
    lines = " and ".join(f"{each}=…" for each in key.split(",")) if key else "a line NAME=… for each key"
    needs = "" if is_generated else f"PATH is a file with {lines}, readable only by you."
    parameters = {"keys": key, "values_from": "generate" if is_generated else "file:PATH"}
    parameters["remove"] = letters.number(remove)
    return with_runbook("update", environment, put_value(environment.names), needs, **parameters)


def rotate(environment: Environment, *keys: str) -> Remedy:
    """Give keys new values and start new tasks, by the runbook; those that are not generated come from a file."""
    entries = [environment.keys.get(key) for key in keys]
    parameters = {"keys": ",".join(keys)}
    needs = list[str]()
    encrypting = [key for key in keys if encrypts(environment.keys, key)]
    # A generated value alone would be refused: what is encrypted with the former one could not be read.
    if encrypting or not all(entry and entry.generate for entry in entries):
        parameters["values_from"] = "file:PATH"
        needs.append(f"PATH is a file with {' and '.join(f'{each}=…' for each in keys)}, readable only by you.")
    if encrypting:
        needs.append(
            f"In {' and '.join(encrypting)} the former value stands after the new one and a comma, where the"
            " application reads a list (MultiFernet)."
        )
    if any(entry and entry.effect == "database-too" for entry in entries):
        parameters["database_url_from"] = "env:NAME"
        needs.append("NAME is a variable with the URL of the database's administrator.")
    return with_runbook("rotate", environment, put_value(environment.names), " ".join(needs), **parameters)


def remove_key(environment: Environment, key: str) -> Remedy:
    """Take a key out of the secret, by the runbook."""
    return with_runbook("update", environment, put_value(environment.names), remove=letters.number(key))


def restore(environment: Environment, to: str, from_: str) -> Remedy:
    """Give AWSCURRENT back to an earlier version and start new tasks, by the runbook."""
    return with_runbook("restore", environment, move_back(environment.names, to, from_), version=to)


def renew_tasks(environment: Environment, service: Service) -> Remedy:
    """Start new tasks of every service with old values, and watch them, by the runbook where that may deploy."""
    by_hand = start_tasks(environment.names, service)
    is_possible = service.controller == "ECS" and service.has_room
    return with_runbook("rotate", environment, by_hand, values_from="keep") if is_possible else by_hand


def command_to_apply(environment: Environment, remedy: Remedy) -> str:
    """The command line of a remedy's runbook that applies its plan, in production too."""
    sure = {"apply": "true"} | ({"confirm": PRODUCTION} if environment.wants_confirmation else {})
    return replace(remedy, parameters={**remedy.parameters, **sure}).invocation


def with_runbook(runbook: str, environment: Environment, by_hand: Remedy, needs: str = "", **parameters: str) -> Remedy:
    """Name the runbook that does it, what it needs, and the parameters that are not empty."""
    filled = {name: value for name, value in {**environment.parameters, **parameters}.items() if value}
    return replace(by_hand, runbook=runbook, parameters=filled, runbook_needs=needs)


def find_names(environment: Environment) -> Remedy:
    """Find the environment's names in AWS and write them to runbook.toml."""
    pairs = [word for name, value in environment.parameters.items() for word in ("-p", name, value)]
    return Remedy(command("omc-runbook", "init", *pairs))


def create_secret(names: Names) -> Remedy:
    """Create the secret from a file that only you can read."""
    create = _aws(names, "secretsmanager", "create-secret", "--name", names.secret, "--secret-string", FROM_FILE)
    return create.needing(_WHOLE)


def restore_secret(names: Names) -> Remedy:
    """Take back the deletion."""
    return on_secret(names, "restore-secret")


def delete_secret(name: str, days: int, region: str) -> Remedy:
    """Schedule the secret for deletion; for so many days it can be restored."""
    options = ("--secret-id", name, "--recovery-window-in-days", str(days))
    return in_region(region, "secretsmanager", "delete-secret", *options)


def put_value(names: Names) -> Remedy:
    """Write the whole secret from a file that only you can read."""
    return on_secret(names, "put-secret-value", "--secret-string", FROM_FILE).needing(_WHOLE)


def move_back(names: Names, to: str, from_: str) -> Remedy:
    """Give AWSCURRENT back to an earlier version."""
    move = ("--version-stage", "AWSCURRENT", "--move-to-version-id", to, "--remove-from-version-id", from_)
    return on_secret(names, "update-secret-version-stage", *move)


def redeploy(names: Names, service: str) -> Remedy:
    """Start new tasks, which read the secret again."""
    return update_service(names, service, "--force-new-deployment")


def start_tasks(names: Names, service: Service, revision: str = "", *options: str) -> Remedy:
    """Start new tasks in the way that a service's deployment controller and percentages permit.

    They are of the revision in force, unless `revision`, family:revision, is another: that is deployed. `options` are
    further ones of update-service.
    """
    is_in_force = revision in ("", service.task_definition_arn.rpartition("/")[2])
    if service.controller == EXPRESS:
        family = service.task_definition_arn.rpartition("/")[0]
        return deploy_express(names.region, service.arn, "" if is_in_force else f"{family}/{revision}")
    if service.controller != "ECS":
        way = CONTROLLED.get(service.controller, "deploy by its controller")
        return Remedy(f"Start new tasks of {service.name}: {way} (cluster {command(names.cluster)}).")
    words = [*([] if is_in_force else ["--task-definition", revision]), *options]
    if service.desired and not service.has_room:
        # ECS refuses a daemon a second task on an instance.
        percents = (0, 100) if service.is_daemon else (100, 200)
        room = "minimumHealthyPercent={},maximumPercent={}".format(*percents)
        words += ["--deployment-configuration", room]
        return update_service(names, service.name, *words, "--force-new-deployment")
    pauses = ", ".join(service.configuration.pauses)
    waits = (
        f"This new deployment of {service.name} will wait at {pauses} for a person: run troubleshoot then, for the"
        " command that continues it."
    )
    start = update_service(names, service.name, *words, "--force-new-deployment")
    return start.needing(waits if pauses else "")


def end_protection(names: Names, tasks: Sequence[str]) -> Remedy:
    """Let ECS stop tasks that are protected from it; a call takes ten.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateTaskProtection.html
    """
    start, end = ("update-task-protection", "--cluster", names.cluster, "--tasks"), "--no-protection-enabled"
    calls = " && ".join(in_region(names.region, "ecs", *start, *each, end).command for each in batches(tasks, 10))
    return Remedy(
        calls,
        command_needs="First let their protected work end. Their protection expires within 48 hours, and the deployment"
        " that is under way then replaces them.",
    )


def deploy_express(region: str, arn: str, revision_arn: str = "") -> Remedy:
    """Deploy an Express service anew, as it is or with a revision of a task definition.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateExpressGatewayService.html
    """
    revision = ("--task-definition-arn", revision_arn) if revision_arn else ()
    return in_region(region, "ecs", "update-express-gateway-service", "--service-arn", arn, *revision)


def then_start_tasks(
    names: Names, remedy: Remedy, services: Sequence[Service], revisions: Mapping[str, str] | None = None
) -> Remedy:
    """A command, and after it new tasks of services; a sentence or no command stays as it is.

    What ECS does not start itself, it needs a person for. `revisions` are those to deploy, by the service's name, where
    they are not in force.
    """
    if not _CHANGES.match(remedy.command):
        return remedy
    affected = [service for service in services if service.desired and not service.is_family]
    ways = [start_tasks(names, service, (revisions or {}).get(service.name, "")) for service in affected]
    both = combine([remedy, *(way for way in ways if not is_sentence(way.command))])
    others = [f"Then {letters.lower_first(way.command)}" for way in ways if is_sentence(way.command)]
    return replace(remedy, command=both.command, command_needs=both.needing(*others).command_needs)


def if_registered(remedy: Remedy, definitions: Iterable[TaskDefinition]) -> Remedy:
    """A remedy, with what to do instead where it starts tasks of a revision that was deregistered.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeregisterTaskDefinition.html
    """
    meant = {*_STARTED.findall(remedy.command)}
    gone = [each for each in definitions if each.label in meant and each.status != ACTIVE] if meant else []
    return remedy.needing(
        *(
            f"ECS starts no new task of {each.label}, which is {each.status}: register it again, and deploy that new"
            " revision instead."
            for each in gone
        )
    )


def combine(ways: Sequence[Remedy]) -> Remedy:
    """Several remedies, one after another, as one: a command, or sentences where one of them is a sentence."""
    commands = [*dict.fromkeys(way.command for way in ways)]
    needs = " ".join(dict.fromkeys(way.command_needs for way in ways if way.command_needs))
    return Remedy(as_one(commands), command_needs=needs)


def deploy(names: Names, service: str, revision: str) -> Remedy:
    """Give a service a revision of its task definition."""
    return update_service(names, service, "--task-definition", revision, "--force-new-deployment")


def run_alone(names: Names, revision: str) -> Remedy:
    """Run a task outside a service again, once the cause is gone."""
    words = ("ecs", "run-task", "--cluster", names.cluster, "--task-definition", revision, "--cli-input-json")
    run = _aws(names, *words, "file://task.json")
    return run.needing("task.json is the request with which it was run before, with its network.")


def scale(names: Names, service: Service) -> Remedy:
    """Set desiredCount to 1; of a daemon, which has a task for each instance, ECS refuses that."""
    if service.is_daemon:
        see = capacity(names).command
        return Remedy(f"See `{see}` for the cluster's instances: add one that meets {service.name}'s constraints.")
    return update_service(names, service.name, "--desired-count", "1")


def grant(names: Names, role: str, action: str, resource: str, of: str = "") -> Remedy:
    """Let a role do one thing on one resource, in a policy of its own that overwrites no other.

    `of` is the name of what it needs that for, where that is not the environment's secret.
    """
    return _put_policy(role, grant_name(names, action, of), grant_document(names, action, resource))


def grant_name(names: Names, action: str, of: str = "") -> str:
    """The name of the policy that `grant` writes, valid in IAM."""
    verb = "decrypt" if action == DECRYPT else "read"
    return _policy_name(f"{verb}-{(of or names.secret.rpartition(':')[2]).strip('/')}")


def grant_document(names: Names, action: str, resource: str) -> str:
    """A policy that allows one thing on one resource, and the use of a key through Secrets Manager alone."""
    statement: dict[str, object] = {"Effect": "Allow", "Action": action, "Resource": resource}
    if action == DECRYPT:
        statement["Condition"] = {"StringEquals": {"kms:ViaService": f"secretsmanager.{names.region}.amazonaws.com"}}
    return _document(statement)


def let_read_with(role: str, key_id: str, partition: str, region: str, account: str, service: str) -> Remedy:
    """Let a role decrypt by a key, named by its id, ARN or alias, through one service in the key's region."""
    alias = key_id if key_id.startswith("alias/") else ""
    key = key_id
    if not key_id.startswith("arn:"):
        key = f"arn:{partition}:kms:{region}:{account}:key/{'*' if alias else key_id}"
    if ":alias/" in key:
        key, alias = f"{key.partition(':alias/')[0]}:key/*", f"alias/{key.partition(':alias/')[2]}"
    condition: dict[str, object] = {"StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"}}
    condition |= {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}} if alias else {}
    statement = {"Effect": "Allow", "Action": DECRYPT, "Resource": key, "Condition": condition}
    return _put_policy(role, _policy_name(f"decrypt-{key_id.rpartition('/')[2]}"), _document(statement))


def revoke(role: str, policy: str) -> Remedy:
    """Take an inline policy away from a role."""
    return Remedy(command("aws", "iam", "delete-role-policy", "--role-name", role, "--policy-name", policy))


def continue_deployment(region: str, arn: str, hook: str) -> Remedy:
    """Continue a deployment which waits for a person."""
    words = ("--service-deployment-arn", arn, "--hook-id", hook, "--action", "CONTINUE")
    return in_region(region, "ecs", "continue-service-deployment", *words)


def enable_execute(names: Names, service: Service) -> Remedy:
    """Start new tasks that ECS Exec can look into."""
    if service.controller != "ECS":
        return Remedy(f"Set enableExecuteCommand on {service.name}. {start_tasks(names, service).command}")
    return start_tasks(names, service, "", "--enable-execute-command")


def let_execute(role: str) -> Remedy:
    """Let a task role open the channels of ECS Exec, which have no resource-level permissions."""
    statement = {"Effect": "Allow", "Action": list(CHANNELS), "Resource": "*"}
    return _put_policy(role, "ecs-exec", _document(statement))


def create_task_role(arn: str) -> Remedy:
    """Create a task role that does not exist, with what ECS Exec needs; the rest is the application's to say."""
    path, _, name = arn.partition(":role/")[2].rpartition("/")
    trusted = {"Effect": "Allow", "Principal": {"Service": ECS_TASKS}, "Action": "sts:AssumeRole"}
    where = ("--path", f"/{path}/") if path else ()
    words = ("create-role", "--role-name", name, *where, "--assume-role-policy-document", _document(trusted))
    both = combine([Remedy(command("aws", "iam", *words)), let_execute(name)])
    return both.needing("Give the role what the application itself may do, too: a new role lacks that.")


def let_decrypt(role: str, key: str) -> Remedy:
    """Let a task role decrypt ECS Exec's sessions."""
    return _put_policy(role, "ecs-exec-key", _document({"Effect": "Allow", "Action": DECRYPT, "Resource": key}))


def logs(names: Names, service: str) -> Remedy:
    """Read the service's latest log lines."""
    return log_group(names, f"/ecs/{names.cluster}/{service}")


def log_group(names: Names, group: str, region: str = "") -> Remedy:
    """Read a log group's latest lines, in its region or the environment's."""
    return in_region(region or names.region, "logs", "tail", group, "--since", "30m")


def log_of_function(names: Names, function: str) -> Remedy:
    """Read the latest lines of a Lambda function's log, in the group that its configuration names."""
    options = ("--query", "LoggingConfig.LogGroup", "--output", "text", "--region", names.region)
    group = f'"$({command("aws", "lambda", "get-function-configuration", "--function-name", function, *options)})"'
    return Remedy(f"{command('aws', 'logs', 'tail')} {group} {command('--since', '30m', '--region', names.region)}")


def create_log_group(names: Names, group: str, region: str = "") -> Remedy:
    """Create a log group, in a region or the environment's."""
    return in_region(region or names.region, "logs", "create-log-group", "--log-group-name", group)


def use_key(region: str, key: str, *verbs: str) -> Remedy:
    """Let a KMS key be used again: enable-key, after cancel-key-deletion, which leaves a key disabled.

    It may be named by an alias; these calls take its id alone.
    """
    id = command(key)
    if "alias/" in key:
        options = ("--query", "KeyMetadata.KeyId", "--output", "text")
        id = f'"$({command("aws", "kms", "describe-key", "--key-id", key, *options, "--region", region)})"'
    ends = command("--region", region)
    return Remedy(" && ".join(f"{command('aws', 'kms', verb, '--key-id')} {id} {ends}" for verb in verbs))


def change_session_key(names: Names) -> Remedy:
    """Give ECS Exec's sessions of the cluster another KMS key, or none.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateCluster.html
    """
    show = ("--include", "CONFIGURATIONS", "--query", "clusters[0].configuration", "--output", "json")
    read = _aws(names, "ecs", "describe-clusters", "--clusters", names.cluster, *show)
    file = ("--configuration", "file://configuration.json")
    return _aws(names, "ecs", "update-cluster", "--cluster", names.cluster, *file).needing(
        f"configuration.json is what `{read.command}` prints, with another key's kmsKeyId or without one."
    )


def tag(names: Names, tags: Sequence[str]) -> Remedy:
    """Give the secret tags, whose values are to be filled in."""
    pairs = [f"Key={each},Value=VALUE" for each in tags]
    return on_secret(names, "tag-resource", "--tags", *pairs).needing("VALUE is each tag's value.")


def trust(role: str, document: str) -> Remedy:
    """Replace a role's trust policy."""
    words = ("update-assume-role-policy", "--role-name", role, "--policy-document", document)
    return Remedy(command("aws", "iam", *words))


def put_resource_policy(names: Names) -> Remedy:
    """Write the secret's own policy from a file."""
    return on_secret(names, "put-resource-policy", "--resource-policy", "file://policy.json")


def set_resource_policy(names: Names, document: str) -> Remedy:
    """Give the secret this policy of its own, or with "" none; Secrets Manager refuses one that lets everybody in."""
    if not document:
        return on_secret(names, "delete-resource-policy")
    return on_secret(names, "put-resource-policy", "--resource-policy", document, "--block-public-policy")


def put_key_policy(names: Names, key: str, document: str = "file://policy.json") -> Remedy:
    """Give a key this policy, by default one from a file."""
    words = ("put-key-policy", "--key-id", key, "--policy-name", "default", "--policy", document)
    return _aws(names, "kms", *words)


def capacity(names: Names) -> Remedy:
    """See the cluster's capacity."""
    return _aws(names, "ecs", "describe-clusters", "--clusters", names.cluster, "--include", "STATISTICS")


def find_image(repository: str, tag: str, account: str, region: str) -> Remedy:
    """See whether an image is in its repository, by its tag where it has one."""
    image = ("--image-ids", f"imageTag={tag}") if tag else ()
    return in_region(
        region, "ecr", "describe-images", "--repository-name", repository, *image, "--registry-id", account
    )


_RESTRICTION = (
    "AWS does not say whether the replica may be outside the organization: if it is, add"
    " --replica-restriction NoRestriction."
)


def replicate(names: Names, replica: Replica) -> Remedy:
    """Replicate the secret once more to a region, or to a replica in another account by its ARN."""
    if replica.location.startswith("arn:"):
        # Without it, AWS replicates as whoever changes the secret, who may not reach the other account.
        role = ("--replication-role-arn", replica.role) if replica.role else ()
        words = ("--cross-account-replica-arn", replica.location, *role)
        link = on_secret(names, "associate-cross-account-replica", *words).needing(_RESTRICTION)
        if replica.status != "Detached":
            return link
        unlink = on_secret(names, "disassociate-cross-account-replica", "--cross-account-replica-arn", replica.location)
        return Remedy(
            f"Its owner has stopped the replication (StopReplicationToReplica), which made {replica.location} a secret"
            f" of its own. If it is to follow, let them create it again as a replica, then run `{link.command}`; if"
            f" not, run `{unlink.command}`.",
            command_needs=_RESTRICTION,
        )
    again = on_secret(names, "replicate-secret-to-regions", "--add-replica-regions", f"Region={replica.location}")
    if not _IS_TAKEN.search(replica.message):
        return again
    return Remedy(
        f"Delete the other secret of that name in {replica.location}, then run"
        f" `{again.command}`; or, to overwrite it, run `{again.command} --force-overwrite-replica-secret`."
    )


def list_versions(names: Names) -> Remedy:
    """See the secret's versions."""
    return on_secret(names, "list-secret-version-ids", "--include-deprecated")


def show_secret(names: Names) -> Remedy:
    """See the secret's metadata, without its value."""
    return on_secret(names, "describe-secret")


def show_references(names: Names) -> Remedy:
    """See the references of the newest task definition."""
    describe = _aws(names, "ecs", "describe-task-definition", "--task-definition", names.task_family)
    return Remedy(f"{describe.command} | jq '.taskDefinition.containerDefinitions[].secrets'")


def show_service(names: Names, service: str = "") -> Remedy:
    """See a service with its deployments and events; the main one unless another is given."""
    return _aws(names, "ecs", "describe-services", "--cluster", names.cluster, "--services", service or names.service)


def show_policy(names: Names) -> Remedy:
    """See what the execution role may read."""
    words = ("--role-name", names.execution_role, "--policy-name", names.execution_policy)
    return Remedy(command("aws", "iam", "get-role-policy", *words))


def show_failed_rotations(secret: Secret) -> Remedy:
    """See which rotations failed in the region where a secret is rotated, and why.

    See https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html
    """
    event = "AttributeKey=EventName,AttributeValue=RotationFailed"
    return in_region(secret.home_region, "cloudtrail", "lookup-events", "--lookup-attributes", event)


def drop_pending(secret: Secret) -> Remedy:
    """Take AWSPENDING off the version that has it."""
    words = ("update-secret-version-stage", "--secret-id", secret.name, "--version-stage", PENDING)
    version = secret.version_at(PENDING)
    return in_region(secret.region, "secretsmanager", *words, "--remove-from-version-id", version)


def _aws(names: Names, *words: str) -> Remedy:
    return in_region(names.region, *words)


def on_secret(names: Names, verb: str, *options: str) -> Remedy:
    """A command on the environment's secret."""
    return _aws(names, "secretsmanager", verb, "--secret-id", names.secret, *options)


def in_region(region: str, *words: str) -> Remedy:
    """A command of the AWS CLI in a region."""
    return Remedy(command("aws", *words, "--region", region))


def update_service(names: Names, service: str, *words: str) -> Remedy:
    """Change a service of the environment's cluster."""
    return _aws(names, "ecs", "update-service", "--cluster", names.cluster, "--service", service, *words)


def _policy_name(text: str) -> str:
    """A text as the name of a policy, valid in IAM."""
    return _NOT_IN_A_NAME.sub("-", text)[:128]


def _put_policy(role: str, policy: str, document: str) -> Remedy:
    words = ("put-role-policy", "--role-name", role, "--policy-name", policy, "--policy-document", document)
    return Remedy(command("aws", "iam", *words))


def _document(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
