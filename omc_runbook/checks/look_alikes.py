"""What faults look like from outside, which ones look the same, and what tells each of them apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class _Look:
    symptom: str
    told_by: str


_READ, _STALE, _EXEC, _LOCAL = "cannot-read", "not-updating", "exec-fails", "local"

_LOOKS: dict[str, _Look] = {
    "secret-missing": _Look(_READ, "DescribeSecret found the secret"),
    "scheduled-deletion": _Look(_READ, "DescribeSecret: there is no DeletedDate"),
    "no-current-version": _Look(_READ, "DescribeSecret: VersionIdsToStages has AWSCURRENT on a version"),
    "wrong-region": _Look(_READ, "DescribeTaskDefinition: no valueFrom names another region than the secret's"),
    "wrong-account": _Look(_READ, "DescribeTaskDefinition: no valueFrom names another account than the secret's"),
    "wrong-partition": _Look(_READ, "DescribeTaskDefinition: the partition in each valueFrom is the caller's"),
    "other-environment": _Look(_STALE, "DescribeTaskDefinition: no valueFrom names another environment's secret"),
    "suffix-stale": _Look(_READ, "DescribeSecret: no valueFrom has other six characters than the secret's ARN"),
    "partial-arn": _Look(_READ, "DescribeTaskDefinition: no ARN in valueFrom lacks the six characters after the name"),
    "bare-name": _Look(_READ, "DescribeTaskDefinition: each valueFrom is the ARN of a secret"),
    "arn-malformed": _Look(_READ, "DescribeTaskDefinition: no ARN in valueFrom has other than 7 or 10 fields"),
    "whole-json": _Look(_READ, "DescribeTaskDefinition: each valueFrom names a JSON key"),
    "key-missing": _Look(_READ, "GetSecretValue: no key that tasks ask for is missing altogether"),
    "key-case": _Look(_READ, "GetSecretValue: no key differs from the one asked for by its case alone"),
    "key-misspelt": _Look(_READ, "GetSecretValue: no key is nearly the one asked for"),
    "not-json": _Look(_READ, "GetSecretValue: nothing else keeps SecretString from being JSON"),
    "not-an-object": _Look(_READ, "GetSecretValue: SecretString is no bare text, number or list"),
    "single-quoted": _Look(_READ, "GetSecretValue: the JSON is not in single quotes"),
    "bom": _Look(_READ, "GetSecretValue: the first character is no byte order mark"),
    "truncated": _Look(_READ, "GetSecretValue: the JSON is not cut off"),
    "binary": _Look(_READ, "GetSecretValue answered with a SecretString"),
    "null": _Look(_READ, "GetSecretValue: no key that tasks read is null"),
    "nested": _Look(_READ, "GetSecretValue: no key that tasks read holds an object or a list"),
    "number-format": _Look(_READ, "GetSecretValue: no number is large enough to be written another way"),
    "duplicate-key": _Look(_STALE, "GetSecretValue: no key stands twice in the JSON"),
    "empty": _Look(_READ, "GetSecretValue: no required key is empty"),
    "changethis": _Look(_READ, "GetSecretValue: no key has the template's default"),
    "placeholder": _Look(_READ, "GetSecretValue: no key has a placeholder"),
    "white-space": _Look(_READ, "GetSecretValue: no value begins or ends in white space"),
    "url-chars": _Look(_READ, "GetSecretValue: no password has a character that ends its part of a URL"),
    "weak": _Look(_READ, "GetSecretValue: no secret value is a common word, a date or a short number"),
    "terraform-overwrote": _Look(_STALE, "CloudTrail: the current version was not written by Terraform"),
    "store-only": _Look(_READ, "no log line tells that the database or the provider refused a value"),
    "key-unreferenced": _Look(_READ, "DescribeTaskDefinition: every key of the secret is in some secrets[]"),
    "name-mismatch": _Look(_READ, "DescribeTaskDefinition: secrets[].name is what the application's Settings read"),
    "duplicate-name": _Look(_STALE, "DescribeTaskDefinition: no variable stands in both environment and secrets"),
    "previous-pinned": _Look(_STALE, "DescribeTaskDefinition: no valueFrom names a stage other than AWSCURRENT"),
    "version-pinned": _Look(_STALE, "DescribeTaskDefinition: no valueFrom names a version id"),
    "version-short": _Look(_READ, "DescribeTaskDefinition: no valueFrom names a version id under 32 characters"),
    "role-absent": _Look(_READ, "DescribeTaskDefinition: executionRoleArn is set"),
    "role-untrusted": _Look(_READ, "GetRole: the execution role is there and trusts ecs-tasks.amazonaws.com"),
    "no-permission": _Look(_READ, "a policy of the execution role is meant to allow GetSecretValue on the secret"),
    "pattern-suffix": _Look(_READ, "no policy of the role names the secret without its six characters"),
    "identity-deny": _Look(_READ, "no policy of the execution role denies GetSecretValue"),
    "boundary": _Look(_READ, "GetRole: no permissions boundary leaves GetSecretValue out"),
    "scp": _Look(_READ, "the simulation's OrganizationsDecisionDetail, or a task's read, shows no denial from above"),
    "resource-deny": _Look(_READ, "GetResourcePolicy: the secret's own policy denies nobody who needs it"),
    "kms-disabled": _Look(_READ, "DescribeKey: the secret's key is not Disabled"),
    "kms-pending": _Look(_READ, "DescribeKey: the secret's key is not PendingDeletion"),
    "kms-missing": _Look(_READ, "no KmsKeyId names a key that DescribeKey does not find"),
    "kms-no-permission": _Look(_READ, "the role may kms:Decrypt with the secret's key, or needs no leave for it"),
    "kms-useless-grant": _Look(_READ, "no policy grants kms:Decrypt on a secret in place of its key"),
    "kms-cross-account": _Look(_READ, "DescribeSecret: no secret of another account is without a KmsKeyId"),
    "throttled": _Look(_READ, "DescribeTasks: no stoppedReason says ThrottlingException"),
    "no-egress": _Look(_READ, "DescribeRouteTables: the tasks' subnets have a way to Secrets Manager"),
    "endpoint-sg": _Look(_READ, "DescribeSecurityGroups: no endpoint's group refuses 443 from the tasks"),
    "private-dns-off": _Look(_READ, "DescribeVpcEndpoints: no endpoint on the way is without PrivateDnsEnabled"),
    "vpc-dns-off": _Look(_READ, "DescribeVpcAttribute: enableDnsSupport and enableDnsHostnames are true"),
    "sg-egress": _Look(_READ, "DescribeSecurityGroups: the tasks' group lets 443 out"),
    "network-acl": _Look(_READ, "DescribeNetworkAcls: 443 may leave the subnets and its answers may return"),
    "endpoint-policy": _Look(_READ, "DescribeVpcEndpoints: no endpoint's policy keeps the tasks from GetSecretValue"),
    "pull-failed": _Look(_READ, "DescribeTasks: no recent task stopped with ResourceInitializationError"),
    "not-forced": _Look(_STALE, "every running task read the secret after AWSCURRENT moved"),
    "wrong-names": _Look(_STALE, "ListClusters and ListServices have the configured names"),
    "rollout-stuck": _Look(_STALE, "DescribeServices: no deployment is IN_PROGRESS with failedTasks"),
    "breaker-rollback": _Look(_STALE, "DescribeServices: rolloutStateReason tells of no circuit breaker"),
    "desired-zero": _Look(_STALE, "DescribeServices: desiredCount is above 0"),
    "external-controller": _Look(_STALE, "DescribeServices: deploymentController is not EXTERNAL"),
    "code-deploy": _Look(_STALE, "DescribeServices: deploymentController is not CODE_DEPLOY"),
    "health-check": _Look(_READ, "DescribeTasks: no recent task was stopped for its health check"),
    "task-exits": _Look(_READ, "DescribeTasks: no recent task's container exited by itself"),
    "image-pull": _Look(_READ, "DescribeTasks: no stoppedReason says CannotPullContainerError"),
    "out-of-memory": _Look(_READ, "DescribeTasks: no container was killed for memory, and none exited with 137"),
    "start-failed": _Look(_READ, "DescribeTasks: no stoppedReason says CannotStartContainerError"),
    "log-group": _Look(_READ, "DescribeTasks: no stoppedReason tells of the log group or the log driver"),
    "volume": _Look(_READ, "DescribeTasks: no stoppedReason tells of a volume"),
    "no-capacity": _Look(_READ, "DescribeServices: no recent event tells of missing capacity"),
    "entrypoint-override": _Look(_STALE, "the process holds the value that ECS gave it"),
    "baked-env": _Look(_STALE, "DescribeTaskDefinition: the variable is in secrets[], and the process holds its value"),
    "app-cache": _Look(_STALE, "the process started when its task did, and holds the current value"),
    "exec-off": _Look(_EXEC, "DescribeTasks: enableExecuteCommand is true on the running tasks"),
    "exec-agent": _Look(_EXEC, "DescribeTasks: no managed agent ExecuteCommandAgent has stopped"),
    "exec-iam": _Look(_EXEC, "the task role's policies allow the four ssmmessages actions"),
    "exec-endpoint": _Look(_EXEC, "EC2: the tasks' subnets have a way to ssmmessages"),
    "exec-readonly": _Look(_EXEC, "DescribeTaskDefinition: readonlyRootFilesystem is not true"),
    "exec-plugin": _Look(_EXEC, "session-manager-plugin is on this machine"),
    "exec-no-shell": _Look(_EXEC, "ExecuteCommand: no container that was asked is without sh"),
    "template-lacks": _Look(_READ, "the template has every variable that the application needs or is given"),
    "settings-lacks": _Look(_READ, "config.py reads every variable that is made for the application"),
    "compose-lacks": _Look(_READ, "the compose file hands the .env, or each variable by name, to the application"),
    "terraform-lacks": _Look(_READ, "Terraform's files have each reference of the task definitions in force"),
    "terraform-ahead": _Look(_READ, "DescribeTaskDefinition: each reference in Terraform's files is in force"),
    "environment-lacks": _Look(_READ, "GetSecretValue: no other environment's secret has another set of keys"),
    "dotenv-missing": _Look(_LOCAL, ".env is where the application and compose look for it"),
    "dotenv-encoding": _Look(_LOCAL, ".env is UTF-8 text"),
    "unreadable-line": _Look(_LOCAL, "no other line of .env is one that its readers cannot take apart"),
    "duplicate-variable": _Look(_LOCAL, "no variable stands in .env twice"),
    "misspelt": _Look(_LOCAL, "no name in .env is nearly that of a variable without a value"),
    "settings-refused": _Look(_LOCAL, "Settings, loaded with this .env, takes every other value that is there"),
    f"{_LOCAL}/placeholder": _Look(_LOCAL, "no variable of .env has the template's placeholder"),
    f"{_LOCAL}/changethis": _Look(_LOCAL, "no variable of .env has the template's default"),
    "start-refused": _Look(
        _LOCAL, "the log of the start tells of nothing that the application or its database refuses"
    ),
    "shell-wins": _Look(_LOCAL, "the shell sets no variable of .env to another value"),
    "template-value": _Look(_LOCAL, "the template has nothing that looks like a real value"),
    "crlf": _Look(_LOCAL, "no line of .env ends in a carriage return"),
    "dotenv-bom": _Look(_LOCAL, ".env begins with no byte order mark"),
    "dollar": _Look(_LOCAL, "compose and python-dotenv read the same from every value with a $"),
    "hash": _Look(_LOCAL, "no unquoted value of .env has a # after a space"),
    "odd-quotes": _Look(_LOCAL, "no value of .env begins or ends with a typographic quote or an unseen character"),
    "readers-differ": _Look(_LOCAL, "compose and python-dotenv read the same from every line of .env"),
    "colon": _Look(_LOCAL, "every line of .env has = after its name"),
    "lowercase": _Look(_LOCAL, "the names in .env are in upper case"),
    "unterminated": _Look(_LOCAL, "every quote in .env is closed"),
    "required-empty": _Look(_LOCAL, "every variable that Settings require has a value in .env"),
    "environment-literal": _Look(_LOCAL, "ENVIRONMENT is local"),
    "permissions": _Look(_LOCAL, "nobody but its owner may read .env"),
    "committed": _Look(_LOCAL, "git ignores .env and never had it"),
    "reused": _Look(_LOCAL, "no local value has the fingerprint of one in AWS"),
    f"{_LOCAL}/weak": _Look(_LOCAL, "the local passwords are long and random"),
    "compose-refused": _Look(_LOCAL, "docker compose config takes the compose files, where it is there to be asked"),
    "second-dotenv": _Look(_LOCAL, "no file that is read after .env has another value for a variable of it"),
    "compose-unset": _Look(_LOCAL, "every variable that the compose files put in has a value"),
    "environment-wins": _Look(_LOCAL, "compose's environment sets nothing that .env sets too"),
    "compose-up": _Look(_LOCAL, "docker compose up ends with exit code 0"),
    "pg-volume": _Look(_LOCAL, "the local database takes the password that .env has"),
}

_ACCESS = (
    *("no-permission", "pattern-suffix", "identity-deny", "boundary", "scp", "resource-deny", "endpoint-policy"),
    *("kms-no-permission", "kms-useless-grant", "kms-cross-account", "role-untrusted", "role-absent"),
)
_RUNNING = ("health-check", "task-exits", "out-of-memory")

_GROUPS: tuple[tuple[str, ...], ...] = (
    _ACCESS,
    ("kms-disabled", "kms-pending", "kms-missing", "kms-no-permission", "kms-useless-grant", "kms-cross-account"),
    ("arn-malformed", "bare-name", "partial-arn", "version-short", "wrong-partition"),
    (
        *("secret-missing", "scheduled-deletion", "no-current-version", "wrong-region", "wrong-account"),
        *("suffix-stale", "partial-arn", "version-pinned", "previous-pinned", "other-environment"),
    ),
    ("not-json", "single-quoted", "bom", "truncated", "not-an-object", "binary"),
    ("key-missing", "key-case", "key-misspelt", "name-mismatch", "key-unreferenced", "whole-json"),
    (
        *("empty", "placeholder", "changethis", "weak", "white-space", "url-chars", "null", "nested", "number-format"),
        *("whole-json", "name-mismatch", "terraform-overwrote", "store-only"),
    ),
    (
        *("not-forced", "previous-pinned", "version-pinned", "duplicate-name", "duplicate-key", "other-environment"),
        *("breaker-rollback", "rollout-stuck", "desired-zero", "external-controller", "code-deploy"),
        *("entrypoint-override", "baked-env", "app-cache", "terraform-overwrote", "wrong-names"),
    ),
    ("store-only", "not-forced", "placeholder", "terraform-overwrote", "url-chars", "white-space"),
    (
        *("no-egress", "sg-egress", "endpoint-sg", "private-dns-off", "vpc-dns-off", "network-acl"),
        *("endpoint-policy", "throttled"),
    ),
    ("exec-off", "exec-agent", "exec-iam", "exec-endpoint", "exec-readonly", "exec-plugin", "exec-no-shell"),
    ("pull-failed", "image-pull", "start-failed", "log-group", "volume", "no-capacity", "throttled"),
    (*_RUNNING, "rollout-stuck", "breaker-rollback"),
    (*_RUNNING, "changethis", "empty", "url-chars", "name-mismatch", "store-only"),
    ("terraform-lacks", "terraform-ahead", "key-unreferenced", "environment-lacks", "key-missing"),
    ("settings-lacks", "template-lacks", "compose-lacks", "name-mismatch", "terraform-lacks"),
    (
        *("dotenv-missing", "required-empty", "misspelt", "lowercase", "colon", "unterminated", "unreadable-line"),
        *("dotenv-bom", "dotenv-encoding", "environment-literal", "settings-refused", "start-refused", "compose-up"),
    ),
    (
        *(
            "dollar",
            "hash",
            "odd-quotes",
            "readers-differ",
            "crlf",
            "unterminated",
            "environment-wins",
            "shell-wins",
            "duplicate-variable",
        ),
        *("second-dotenv", "compose-refused", "compose-unset", "compose-up"),
        *(f"{_LOCAL}/placeholder", f"{_LOCAL}/changethis", "settings-refused", "start-refused", "pg-volume"),
    ),
    (
        "permissions",
        "committed",
        "reused",
        f"{_LOCAL}/weak",
        "template-value",
        f"{_LOCAL}/placeholder",
        f"{_LOCAL}/changethis",
    ),
)
"""Faults that show the same to whoever meets them: the same stoppedReason, or the same behaviour."""


def place(check: str, family: str) -> str:
    """Where a check is looked up here: its id, but for a fault of a .env of which a secret has one of the same name."""
    local = f"{_LOCAL}/{check}"
    return local if family == _LOCAL and local in _LOOKS else check


def symptom(place: str) -> str:
    """How a person would report the fault: cannot-read, not-updating, exec-fails or local; "" of an unknown id."""
    return _LOOKS[place].symptom if place in _LOOKS else ""


def told_by(place: str) -> str:
    """What is seen where it is not this fault, API and field, without a full stop; "" of an unknown id."""
    return _LOOKS[place].told_by if place in _LOOKS else ""


def alike(place: str) -> tuple[str, ...]:
    """The faults that a person could take it for, so that it is worth saying that it is none of them."""
    others = (other for group in _GROUPS if place in group for other in group)
    return tuple(dict.fromkeys(other for other in others if other != place))


def is_local(check: str) -> bool:
    """Whether a developer's machine can have the fault."""
    return symptom(place(check, _LOCAL)) == _LOCAL
