"""The calls that an audit judges for each identity of the account: on the secret, its key, its role and ECS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from omc_runbook.aws.kms import KmsGrant, KmsKey
from omc_runbook.aws.secretsmanager import CURRENT, Secret
from omc_runbook.iam import request_keys
from omc_runbook.iam.conditions import TIMES
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.iam.who_can import AccessVerdict, Identity, Judge, ResourceCall, combine
from omc_runbook.model.arn import account_in
from omc_runbook.snapshot.audit.state import Identities
from omc_runbook.snapshot.exec_read import EXECUTE
from omc_runbook.snapshot.roles import CHANNELS, DECRYPT, GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

WRITES = tuple(f"secretsmanager:{verb}" for verb in ("PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage"))
DELETES = ("secretsmanager:DeleteSecret",)
PUT_POLICY = "secretsmanager:PutResourcePolicy"
POLICIES = (PUT_POLICY, "secretsmanager:DeleteResourcePolicy")
KEY_POLICIES = ("kms:PutKeyPolicy", "kms:CreateGrant")
PASS_ROLE, REGISTER = "iam:PassRole", "ecs:RegisterTaskDefinition"
RUN_TASK = "ecs:RunTask"
"""It takes another command and other roles than the task definition's, so that a registered one is enough.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html
"""
STARTS = (RUN_TASK, "ecs:CreateService", "ecs:UpdateService")
ECS_TASKS = "ecs-tasks.amazonaws.com"
SESSIONS = (EXECUTE, "ssm:StartSession")
"""By which somebody begins a session in a container: Session Manager needs no ECS Exec of whoever begins it."""
LAMBDA, EC2 = "lambda.amazonaws.com", "ec2.amazonaws.com"
UPDATES_OF_FUNCTIONS = ("lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration")
"""By which a function runs other code as its role: the second gives it a layer."""
RUN_INSTANCES = "ec2:RunInstances"
_INVOKING = tuple(
    f"lambda:{verb}"
    for verb in ("InvokeFunction", "CreateEventSourceMapping", "AddPermission", "CreateFunctionUrlConfig")
)
_BUILDING = ("codebuild:StartBuild", "codebuild:StartBuildBatch")
_RUNNING_JOBS = ("glue:StartJobRun", "glue:CreateTrigger")
_EXECUTING = ("states:StartExecution", "states:StartSyncExecution")
CODE_RUNNERS: Mapping[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    LAMBDA: (
        ("lambda:CreateFunction", "function:x", _INVOKING),
        ("lambda:UpdateFunctionConfiguration", "function:x", _INVOKING),
    ),
    "codebuild.amazonaws.com": (
        ("codebuild:CreateProject", "project/x", _BUILDING),
        # They take another role and other commands than the project's.
        *((action, "project/x", ()) for action in _BUILDING),
    ),
    "cloudformation.amazonaws.com": (
        ("cloudformation:CreateStack", "stack/x/x", ()),
        ("cloudformation:UpdateStack", "stack/x/x", ()),
        ("cloudformation:CreateChangeSet", "stack/x/x", ("cloudformation:ExecuteChangeSet",)),
    ),
    "glue.amazonaws.com": (
        ("glue:CreateJob", "job/x", _RUNNING_JOBS),
        ("glue:UpdateJob", "job/x", _RUNNING_JOBS),
        ("glue:CreateSession", "session/x", ("glue:RunStatement",)),
    ),
    "sagemaker.amazonaws.com": (
        ("sagemaker:CreateProcessingJob", "processing-job/x", ()),
        ("sagemaker:CreateTrainingJob", "training-job/x", ()),
        ("sagemaker:CreateNotebookInstance", "notebook-instance/x", ("sagemaker:CreatePresignedNotebookInstanceUrl",)),
    ),
    "ssm.amazonaws.com": (("ssm:CreateDocument", "document/x", ("ssm:StartAutomationExecution",)),),
    "states.amazonaws.com": (
        ("states:CreateStateMachine", "stateMachine:x", _EXECUTING),
        ("states:UpdateStateMachine", "stateMachine:x", _EXECUTING),
    ),
}
"""By service that runs code with a role that is passed to it, the calls that make or change what has the code, each
with the resource and the calls by one of which it then runs; without any it runs at once.

https://docs.aws.amazon.com/service-authorization/latest/reference/
"""
CHOSEN_TAGS = ("aws:RequestTag/*", "aws:TagKeys")


def judge_of(snapshot: Snapshot, identities: Identities) -> Judge:
    """What counts for every identity of the snapshot's account, at the snapshot's time."""
    return Judge(
        levels=identities.levels,
        resource_controls=identities.resource_controls,
        organization=identities.organization,
        time=snapshot.taken,
    )


def read_verdict(
    snapshot: Snapshot,
    identities: Identities,
    judge: Judge,
    identity: Identity,
    policy: PolicyDocument | None = None,
    key_policy: PolicyDocument | None = None,
    stage: str = CURRENT,
) -> AccessVerdict:
    """Whether an identity may read the secret, which takes kms:Decrypt too where a customer managed key encrypts it.

    `policy` stands in the place of the secret's own, and `key_policy` of its key's, where they are given. `stage` is
    the label of the version that is read.
    """
    call = on_secret(snapshot, GET_SECRET_VALUE, stage)
    if policy is not None:
        others = (each for each in snapshot.resource_policies if each is not snapshot.resource_policy)
        call = replace(call, policies=(policy, *others), unread=())
    verdict = judge.verdict(identity, call)
    decryption = decryption_call(snapshot, identities, stage)
    if verdict.decision == "denied" or decryption is None:
        return verdict
    if key_policy is not None:
        decryption = replace(decryption, policies=(key_policy,), unread=())
    return combine(GET_SECRET_VALUE, [verdict, judge.verdict(identity, decryption)])


def other_stages(secret: Secret) -> tuple[str, ...]:
    """The labels of the secret's versions besides AWSCURRENT."""
    labels = (label for stages in secret.stages.values() for label in stages)
    return tuple(sorted({*labels} - {CURRENT}))


def on_secret(snapshot: Snapshot, action: str, stage: str = CURRENT) -> ResourceCall:
    """An action on the secret; reading means the version with that label."""
    secret = snapshot.secret
    assert secret
    stages = (stage,) if action == GET_SECRET_VALUE else ()
    # A replica is rotated where its primary secret is.
    function = None if secret.primary else secret.rotation_function
    return ResourceCall(
        action=action,
        resource=secret.arn,
        keys=request_keys.of_secret(secret.arn, secret.tags, stages, rotation_function=function),
        policies=snapshot.resource_policies,
        unread=_unread(snapshot, "resource_policy", "the secret's resource policy"),
    )


def decryption_call(snapshot: Snapshot, identities: Identities, stage: str) -> ResourceCall | None:
    """What Secrets Manager does for a reader with the secret's key; None under the key that AWS manages."""
    secret, key = snapshot.secret, identities.key
    if secret is None:
        return None
    if key is None:
        unread = () if snapshot.kms_key else _unread(snapshot, "kms_key", "the secret's key")
        return ResourceCall(action=DECRYPT, resource="*", unread=unread) if unread else None
    version = secret.version_at(stage)
    granted = frozenset(grant.grantee for grant in key.grants if lets_decrypt(grant, secret, stage))
    return ResourceCall(
        action=DECRYPT,
        resource=key.arn,
        keys=request_keys.of_key(key.arn, account_in(secret.arn), secret.arn, version, key.tags, key.aliases),
        policies=(key.policy,) if key.policy else (),
        rule="delegates",
        granted=granted,
        unread=_unread_of(key),
        has_unread_grants=bool(key.unread),
    )


def on_key(key: KmsKey, action: str) -> ResourceCall:
    """A direct call on the secret's customer managed key."""
    return ResourceCall(
        action=action,
        resource=key.arn,
        keys={**request_keys.of_resource(key.arn), "kms:CallerAccount": account_in(key.arn), "kms:ViaService": ()},
        policies=(key.policy,) if key.policy else (),
        rule="delegates",
        unread=_unread_of(key),
    )


def pass_role_call(role_arn: str, tags: dict[str, str] | None, service: str = ECS_TASKS) -> ResourceCall:
    """Passing a role to a service, by default to tasks of ECS."""
    keys = request_keys.of_assumption(role_arn, tags) | {"iam:PassedToService": service}
    return ResourceCall(action=PASS_ROLE, resource=role_arn, keys=keys)


def on_ecs(snapshot: Snapshot, action: str) -> ResourceCall:
    """An action of ECS by which somebody brings a task of their own about; its resource is one that they choose."""
    names = snapshot.environment.names
    is_service = action.endswith("Service")
    resource = _arn(snapshot, f"service/{names.cluster}/x" if is_service else f"task-definition/{names.task_family}:1")
    keys = request_keys.of_resource(resource)
    return ResourceCall(action=action, resource=resource, keys=keys, open_keys=CHOSEN_TAGS)


def on_task(snapshot: Snapshot, action: str, task_arn: str, container: str) -> ResourceCall:
    """A session in a container; without a `task_arn` in a task that is still to come.

    See https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
    """
    cluster = snapshot.environment.names.cluster
    new_task, cluster_arn = _arn(snapshot, f"task/{cluster}/x"), _arn(snapshot, f"cluster/{cluster}")
    keys = {**request_keys.of_resource(new_task), "ecs:cluster": cluster_arn, "ecs:container-name": container}
    return ResourceCall(action=action, resource=task_arn or new_task, keys=keys)


def _arn(snapshot: Snapshot, resource: str) -> str:
    """The ARN of a resource of ECS."""
    caller = snapshot.caller
    return f"arn:{caller.partition}:ecs:{snapshot.environment.names.region}:{caller.account}:{resource}"


def channels(snapshot: Snapshot) -> tuple[ResourceCall, ...]:
    """What the agent of ECS Exec does with the role of its task."""
    keys: request_keys.Keys = {"aws:RequestedRegion": snapshot.environment.names.region}
    return tuple(ResourceCall(action=action, resource="*", keys=keys) for action in CHANNELS)


def lets_decrypt(grant: KmsGrant, secret: Secret, stage: str = CURRENT) -> bool:
    """Whether a grant of a key lets its grantee decrypt the secret's version with a label."""
    context = {"SecretARN": secret.arn, "SecretVersionId": secret.version_at(stage)}
    is_within = grant.context == context if grant.is_whole else grant.context.items() <= context.items()
    return "Decrypt" in grant.operations and is_within


def read_verdicts(snapshot: Snapshot, identities: Identities) -> Mapping[str, AccessVerdict]:
    """Whether each identity may read the secret, by ARN; as `identities` has it already, where it does."""
    if identities.reads or snapshot.secret is None:
        return identities.reads
    judge = judge_of(snapshot, identities)
    return {each.arn: read_verdict(snapshot, identities, judge, each) for each in identities.identities}


def dated_identities(snapshot: Snapshot, identities: Identities) -> tuple[Identity, ...]:
    """The identities that a date may let read the secret, or keep from it; of the others no other time decides."""
    judge = replace(judge_of(snapshot, identities), time=None)
    verdicts = ((each, read_verdict(snapshot, identities, judge, each)) for each in identities.identities)
    return tuple(each for each, read in verdicts if not TIMES.isdisjoint(map(str.lower, read.doubts)))


def _unread(snapshot: Snapshot, field: str, what: str) -> tuple[str, ...]:
    """What a field lacks for its gaps, with the calls that failed."""
    return tuple(dict.fromkeys(f"{what} ({gap.permission}: {gap.code})" for gap in snapshot.gaps.get(field, ())))


def _unread_of(key: KmsKey) -> tuple[str, ...]:
    return ("the key's policy",) if key.policy is None else ()
