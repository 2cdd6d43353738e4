"""What AWS says where a task cannot start."""

from __future__ import annotations

from omc_runbook.messages.phrases import Phrase, pull, say

_NOT_SECRETS = "This is not a secrets problem."
_TRY = "DescribeSecret, with the ARN as the text has it, tells which it is"

UNREACHED = (
    *("connection issue between the task and", "context deadline exceeded", "i/o timeout", "dial tcp"),
    *("Check your task network configuration", "request canceled while waiting for connection"),
    *("connection timed out", "request send failed", "RequestCanceled: request context canceled"),
)
"""What is said where a service of AWS's did not answer, whatever stood in the way."""

STARTS: tuple[Phrase, ...] = (
    pull(
        "image-pull",
        f"ECS could not pull the container's image. {_NOT_SECRETS} The task's containers never started.",
        "Look at the image in the task definition: that it is in ECR under that tag, and that the execution role and "
        "the network let the task have it.",
        *("CannotPullContainerError", "CannotPullECRContainerError", "CannotPullImageManifestError"),
        *("CannotPullContainer", "unable to retrieve ecr registry auth", "registry auth from ecr"),
        *("registry auth from amazon ecr", "connection issue between the task and amazon ecr"),
        *("no basic auth credentials", "reached your pull rate limit", "manifest unknown", "pull access denied"),
        owner=True,
        kind="image",
    ),
    pull(
        "log-group",
        f"ECS could not set up the container's log. {_NOT_SECRETS}",
        "Look at logConfiguration in the task definition: that its log group exists in that region, and that the "
        "execution role may write to it.",
        *("failed to validate logger args", "failed to initialize logging driver", "failed to create cloudwatch log"),
        *("the specified log group does not exist", "log group does not exist", "failed to create log stream"),
        *("cannot find the Amazon CloudWatch log", "logger args", "logging driver", "log driver"),
        owner=True,
        kind="log",
    ),
    pull(
        "volume",
        f"ECS could not mount a volume. {_NOT_SECRETS}",
        "Look at volumes in the task definition: the file system, its mount targets and their security group.",
        *("failed to invoke efs utils", "efs utils commands", "set up efs volumes", "mount.nfs4:", "mount.efs"),
        *("CannotCreateVolumeError", "error while mounting volume", "unable to mount volume", "failed to mount"),
        *(
            "volume mount failed",
            "error mounting",
            "failed to resolve * fs-",
            "unable to prepare volume",
            "EFS volume",
            "EBS volume",
        ),
        *("elastic file system", "mount point", "mount target"),
        owner=True,
        kind="volume",
    ),
    pull(
        "start-failed",
        f"The container could not be started from its image. {_NOT_SECRETS}",
        "Look at the image's platform, its entry point and the command in the task definition.",
        *("CannotStartContainerError", "CannotCreateContainerError", "exec format error", "OCI runtime create failed"),
        *("ContainerRuntimeError", "ContainerRuntimeTimeoutError", "DockerTimeoutError", "unable to find user"),
        owner=True,
        kind="start",
    ),
    pull(
        "no-current-version",
        "The secret exists, and no version of it has the label AWSCURRENT: usually it was created and never got a "
        "value.",
        "DescribeSecret: VersionIdsToStages shows which versions there are.",
        "find the specified secret value for staging label: AWSCURRENT",
    ),
    pull(
        "previous-pinned no-current-version",
        "The reference asks for a version by a label that no version of the secret has. The secret itself was found.",
        "Compare the stage in valueFrom with VersionIdsToStages of DescribeSecret.",
        "find the specified secret value for staging label",
    ),
    pull(
        "version-pinned version-short",
        "The reference asks for a version by its id, and the secret has no such version: it was dropped since, or the "
        "id is wrong. The secret itself was found.",
        "Compare the version id in valueFrom with VersionIdsToStages of DescribeSecret.",
        *("find the specified secret value for VersionId", "find the specified secret value"),
        "VersionStage that is not associated to the provided VersionId",
    ),
    pull(
        "secret-missing suffix-stale wrong-region wrong-account partial-arn other-environment",
        "Secrets Manager knows no secret by that ARN, in that region and account. That does not prove that the secret "
        "is gone: its ARN may have another suffix by now, or the reference another region.",
        f"{_TRY}: found under its name with another suffix, it was created again.",
        "find the specified secret",
    ),
    pull(
        "scheduled-deletion",
        "The secret is scheduled for deletion, and until it is restored nobody can read it or write to it.",
        "DescribeSecret: DeletedDate says until when it can be restored.",
        *("it was marked for deletion", "currently marked deleted", "was marked deleted", "marked for deletion"),
    ),
    say(
        "scheduled-deletion",
        "A secret of this name is still scheduled for deletion, so that none can be created by that name.",
        "DescribeSecret: DeletedDate. Restore it rather than create it anew, and its ARN stays as it is.",
        "secret with this name is already scheduled for deletion",
        "already scheduled for deletion",
    ),
    pull(
        "kms-cross-account",
        "The secret belongs to another account and is under that account's AWS managed key, which cannot be shared.",
        "DescribeSecret in the account that owns it: without KmsKeyId it is under the AWS managed key.",
        "secret from a different AWS account if you encrypt the secret with the default KMS",
    ),
    pull(
        "kms-no-permission kms-useless-grant kms-cross-account",
        "Secrets Manager let the role have the secret, but KMS does not let it use the key that encrypts it.",
        "Compare KmsKeyId of DescribeSecret with the resources on which the role's policies grant kms:Decrypt: a grant "
        "on the secret's ARN grants nothing.",
        *("Access to KMS is not allowed", "access to the KMS key is not allowed"),
    ),
    pull(
        "kms-disabled",
        "The key that encrypts the secret is disabled, so that nobody can read the secret.",
        "DescribeKey: KeyState.",
        *("can't decrypt the protected secret text … disabled", "DecryptionFailure … is disabled"),
        *("KMSInvalidState … is disabled", ":key/ … is disabled"),
    ),
    pull(
        "kms-pending",
        "The key that encrypts the secret is pending deletion: it decrypts nothing until its deletion is cancelled.",
        "DescribeKey: KeyState and DeletionDate.",
        *("can't decrypt the protected secret text … pending", "DecryptionFailure … pending deletion"),
        *("KMSInvalidState … pending deletion", ":key/ … is pending deletion"),
    ),
    pull(
        "kms-disabled kms-pending kms-missing",
        "KMS could not decrypt the secret with its key. The key may be disabled, pending deletion or gone: the text "
        "does not say which.",
        "DescribeKey, for KmsKeyId of DescribeSecret: KeyState tells which.",
        *("can't decrypt the protected secret text", "DecryptionFailure", "KMSInvalidStateException"),
        weak=True,
    ),
    pull(
        "throttled",
        "AWS throttled the call: too many came at once. The secret may be in order: the next attempt may succeed.",
        "CloudTrail shows who calls GetSecretValue that often; starting fewer tasks at once helps.",
        *("ThrottlingException", "Rate exceeded", "RequestLimitExceeded", "TooManyRequestsException"),
    ),
    pull(
        "key-missing key-case key-misspelt",
        "ECS read the secret, and its JSON has no key of the name that the reference asks for. Case counts.",
        "Compare the secret's keys with valueFrom: look for one that differs in case or by a letter.",
        "did not contain json key",
    ),
    pull(
        "single-quoted not-json",
        "The secret is not JSON: it has single quotes instead of double ones, as when Python printed it.",
        "Write the secret again from a JSON file; the version before may still be good.",
        *("invalid character ''' looking for beginning", "property name enclosed in double quotes"),
    ),
    pull(
        "bom not-json",
        "A byte order mark stands before the secret's JSON, as some editors put it; to look at, the text is right.",
        "Write the secret again, saved as UTF-8 without a byte order mark.",
        *("invalid character 'ufeff * looking for beginning", "invalid character 'xef * looking for", "UTF-8 BOM"),
    ),
    pull(
        "not-json single-quoted",
        "The secret's text is not JSON, and the reference asks for a key of it. The text says where parsing failed; "
        "the character may be part of a value.",
        "GetSecretValue into a JSON reader, not onto the screen; the version before may still be good.",
        *("invalid character * looking for beginning of", "invalid character * after object key"),
        *("invalid character * after top-level value", "invalid character * after array element"),
        *("invalid character * in string", "invalid character * in literal", "invalid character * in numeric"),
    ),
    pull(
        "truncated binary not-json",
        "The secret's JSON ends too early, or there is no text at all: it was cut off, or stored as binary.",
        "GetSecretValue: an answer with SecretBinary and no SecretString was stored as binary; else the text is cut.",
        "unexpected end of JSON input",
    ),
    pull(
        "not-an-object not-json",
        "The secret is JSON, but not an object with keys: a list, a number, or JSON put into quotes once more.",
        "GetSecretValue: SecretString has to begin with a brace.",
        *("cannot unmarshal * into Go value", "cannot unmarshal * into Go struct"),
    ),
    pull(
        "vpc-dns-off private-dns-off no-egress",
        "The task could not find the service's address by name. Either the VPC resolves no names, or an endpoint "
        "without private DNS is the only way.",
        "DescribeVpcAttribute: enableDnsSupport and enableDnsHostnames; DescribeVpcEndpoints: PrivateDnsEnabled.",
        *("lookup * secretsmanager … no such host", "Secrets Manager … no such host", "amazonaws.com * no such host"),
        *("lookup * amazonaws … no such host", "secretsmanager … no such host"),
    ),
    pull(
        "no-egress endpoint-sg sg-egress network-acl private-dns-off vpc-dns-off",
        "AWS did not answer the task over the network. The text cannot tell a missing route from a security "
        "group, a network ACL or an endpoint's DNS; only the network's own settings can. The role and the secret "
        "were not tried yet.",
        "EC2 tells them apart: the subnets' route table, the security groups on 443, the network ACL, and the VPC's "
        "endpoints and DNS attributes.",
        *UNREACHED,
        weak=True,
    ),
    pull(
        "version-short",
        "The reference names a version by an id that is too short to be one.",
        "Look at the last field of valueFrom: a version id has 32 to 64 characters.",
        "at 'versionId' failed to satisfy constraint",
        *("must have length greater than or equal to 32", "minimum field size of 32"),
    ),
    pull(
        "arn-malformed partial-arn",
        "A reference is malformed, so it was never looked up.",
        "Look at valueFrom: the secret's whole ARN, and after it nothing or all three of :KEY:STAGE:VERSION.",
        *("unexpected ARN format", "invalid secret ARN", "Invalid name. Must be a valid name", "invalid ARN"),
    ),
    pull(
        "bare-name",
        "ECS looked in SSM's Parameter Store. A valueFrom that is no ARN of Secrets Manager's is taken for a "
        "parameter's name.",
        "Look at valueFrom: where a secret is meant, its whole ARN belongs there.",
        *("invalid ssm parameters", "ParameterNotFound", "from ssm … invalid parameters"),
    ),
    pull(
        "bare-name",
        "ECS looked in SSM's Parameter Store and failed there. A valueFrom that is no ARN of Secrets Manager's is "
        "taken for a parameter's name.",
        "Look at valueFrom: where a secret is meant, its whole ARN belongs there.",
        *("unable to retrieve secrets from ssm", "unable to retrieve secret from ssm", "GetParameters operation"),
        weak=True,
    ),
    pull(
        "role-absent",
        "The task definition names no execution role, and without one ECS can read no secret.",
        "DescribeTaskDefinition: executionRoleArn.",
        *("find execution role credentials", "no execution role", "must also specify a value for 'executionRoleArn"),
        *("task definition to have execution role", "execution role credentials"),
    ),
    pull(
        "role-untrusted",
        "ECS cannot assume the task's role: its trust policy does not name ecs-tasks.amazonaws.com, a condition in "
        "it does not hold, or the role is gone. The secret was not tried yet.",
        "GetRole: AssumeRolePolicyDocument, of the role that the text names.",
        *("unable to assume the role", "unable to assume role", "failed to assume role"),
    ),
    pull(
        "pull-failed",
        "ECS could not prepare something that the task needs before it starts. The text does not say what "
        "failed, or was cut off.",
        "DescribeTasks: stoppedReason in full; the cause stands at its end.",
        *("ResourceInitializationError", "TaskFailedToStart", "unable to retrieve secret from asm"),
        *("failed to fetch secret", "failed to launch a task with", "cannot pull secrets"),
        weak=True,
    ),
)
"""Better wordings come first: of those that stand in one place, the first counts."""
