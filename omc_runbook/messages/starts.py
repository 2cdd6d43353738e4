"""AWS's messages for a task that cannot start."""

from __future__ import annotations

from omc_runbook.messages.phrases import NOT_SECRETS, Phrase, aws_message, pull_failure

_TRY = "DescribeSecret with the ARN in the text tells which"

NO_PARAMETER = ("invalid ssm parameters", "ParameterNotFound", "from ssm … invalid parameters")
"""What ECS writes where there is no such parameter, or no such version of it."""
UNREACHED = (
    # Cut off there, what ECS was about to do is no reason of its own.
    "connection issue between the task and … failed to fetch secret",
    *("connection issue between the task and", "context deadline exceeded", "i/o timeout", "dial tcp"),
    *("Check your task network configuration", "request canceled while waiting for connection"),
    *("connection timed out", "request send failed", "RequestCanceled: request context canceled"),
    "TLS handshake timeout",
    *("amazonaws.com … connection reset by peer", "command failed: : signal: killed", "args: : signal: killed"),
)
"""Wordings for an AWS service that did not answer, for whatever reason."""
NOT_PULLED = {
    "platform": ("descriptor matching platform", "no matching manifest for"),
    "limit": ("toomanyrequests", "429 Too Many Requests", "pull rate limit"),
    "space": ("no space left on device", "free data blocks which is less than minimum required"),
}
"""Wordings for an image that is there, and that the role may pull."""

STARTS: tuple[Phrase, ...] = (
    pull_failure(
        "image-pull",
        f"ECS could not pull the container's image. {NOT_SECRETS} The task's containers never started.",
        "Check the image in the task definition: whether ECR has it under that tag, and whether the execution role and "
        "the network let the task pull it.",
        *("CannotPullContainerError", "CannotPullECRContainerError", "CannotPullImageManifestError"),
        *("CannotPullContainer", "unable to retrieve ecr registry auth", "registry auth from ecr"),
        *("registry auth from amazon ecr", "connection issue between the task and amazon ecr"),
        *("no basic auth credentials", "reached your pull rate limit", "manifest unknown", "pull access denied"),
        owner=True,
        kind="image",
    ),
    pull_failure(
        "log-group",
        f"ECS could not set up the container's log. {NOT_SECRETS}",
        "Check logConfiguration in the task definition: whether its log group exists in that region, and whether the "
        "execution role may write to it.",
        *("failed to validate logger args", "failed to initialize logging driver", "failed to create cloudwatch log"),
        *("the specified log group does not exist", "log group does not exist", "failed to create log stream"),
        *("cannot find the Amazon CloudWatch log", "logger args", "logging driver", "log driver"),
        "firelens config",
        owner=True,
        kind="log",
    ),
    pull_failure(
        "volume",
        f"ECS could not mount a volume. {NOT_SECRETS}",
        "Look at volumes in the task definition: the file system, its mount targets and their security group.",
        *("failed to invoke efs utils", "efs utils commands", "set up efs volumes", "mount.nfs4:", "mount.efs"),
        *("CannotCreateVolumeError", "error while mounting volume", "unable to mount volume", "failed to mount"),
        *("volume mount failed", "error mounting", "failed to resolve * fs-", "unable to prepare volume"),
        *("EFS volume", "EBS volume", "elastic file system", "mount point", "mount target", "VolumeError"),
        owner=True,
        kind="volume",
    ),
    pull_failure(
        "environment-file",
        f"ECS could not download an environment file from S3. {NOT_SECRETS}",
        "Look at environmentFiles in the task definition: whether each object exists, and whether the execution role "
        "and the network let ECS get it.",
        "failed to download env files … not found",
        *("failed to download env files", "download the environment variable files", "download environment files"),
        owner=True,
        kind="file",
    ),
    pull_failure(
        "",
        f"ECS could not set up the task's network interface. {NOT_SECRETS}",
        "DescribeTasks: stoppedReason in full; the subnet's addresses and the VPC's DHCP options.",
        *("failed to configure ENI", "failed to setup regular eni", "failed to setup network namespace"),
        *("Unexpected EC2 error … RequestLimitExceeded", "Unexpected EC2 error … Throttling"),
        owner=True,
        kind="other",
    ),
    pull_failure(
        "task-exits",
        "A container ended with an error, and another one waits for it to succeed.",
        "Look at the log of the container that ended, often that of the database's migrations.",
        "failed to resolve container ordering dependency",
        owner=True,
        kind="exit",
    ),
    pull_failure(
        "start-failed",
        f"The container could not be started from its image. {NOT_SECRETS}",
        "Look at the image's platform, its entry point and the command in the task definition.",
        *("CannotStartContainerError", "CannotCreateContainerError", "exec format error", "OCI runtime create failed"),
        *("ContainerRuntimeError", "ContainerRuntimeTimeoutError", "DockerTimeoutError", "unable to find user"),
        "unable to create new container",
        owner=True,
        kind="start",
    ),
    pull_failure(
        "no-current-version previous-pinned",
        "The secret exists, and no version has that label, whose case counts: "
        "usually there is no AWSCURRENT, because the secret was created without a value.",
        "DescribeSecret: VersionIdsToStages shows which versions there are.",
        "find the specified secret value for staging label: AWSCURRENT",
    ),
    pull_failure(
        "previous-pinned no-current-version",
        "The reference names a staging label that no version of the secret has. The secret itself was found.",
        "Compare the stage in valueFrom with VersionIdsToStages of DescribeSecret.",
        "find the specified secret value for staging label",
    ),
    pull_failure(
        "version-pinned version-short",
        "The reference names a version id that the secret does not have: the version was deleted, or the id is wrong. "
        "The secret itself was found.",
        "Compare the version id in valueFrom with VersionIdsToStages of DescribeSecret.",
        *("find the specified secret value for VersionId", "find the specified secret value"),
        "VersionStage that is not associated to the provided VersionId",
    ),
    pull_failure(
        "secret-missing suffix-stale wrong-region wrong-account partial-arn other-environment",
        "Secrets Manager has no secret with that ARN in that region and account. The secret may still exist: with "
        "another suffix in its ARN, or in a region other than the reference's.",
        f"{_TRY}: if its name exists with another suffix, the secret was created again.",
        "find the specified secret",
    ),
    pull_failure(
        "scheduled-deletion",
        "The secret is scheduled for deletion: nobody can read it or write to it until it is restored.",
        "DescribeSecret: DeletedDate says until when it can be restored.",
        *("it was marked for deletion", "on the secret because it was deleted", "currently marked deleted"),
        *("was marked deleted", "marked for deletion"),
    ),
    aws_message(
        "scheduled-deletion",
        "A secret of this name is scheduled for deletion, so none can be created with that name.",
        "DescribeSecret: DeletedDate. Restore it instead: then its ARN stays the same.",
        "secret with this name is already scheduled for deletion",
        "already scheduled for deletion",
    ),
    pull_failure(
        "kms-cross-account",
        "The secret belongs to another account and is encrypted with its AWS managed key, which cannot be shared.",
        "DescribeSecret in the account that owns it: without KmsKeyId, it uses the AWS managed key.",
        "secret from a different AWS account if you encrypt the secret with the default KMS",
    ),
    pull_failure(
        "kms-no-permission kms-useless-grant kms-cross-account",
        "Secrets Manager let the role read the secret, but KMS does not let it use the key that encrypts it.",
        "Compare KmsKeyId of DescribeSecret with the resources on which the role's policies grant kms:Decrypt: a grant "
        "on the secret's ARN grants nothing.",
        *("Access to KMS is not allowed", "access to the KMS key is not allowed"),
    ),
    pull_failure(
        "parameter-denied",
        "KMS does not let the execution role use the key that encrypts an SSM parameter: Parameter Store needs "
        "kms:Decrypt of the role for a SecureString under a customer key.",
        "Compare KeyId of DescribeParameters with the keys on which the role may kms:Decrypt.",
        "ciphertext refers to a customer master key … Error Code: AccessDeniedException",
        "ciphertext refers to a customer master key",
    ),
    pull_failure(
        "kms-disabled",
        "The key that encrypts the secret is disabled or has no key material, so nobody can read the secret.",
        "DescribeKey: KeyState.",
        *("can't decrypt the protected secret text … disabled", "DecryptionFailure … is disabled"),
        *("KMSInvalidState … is disabled", ":key/ … is disabled"),
        *("can't decrypt the protected secret text … pendingimport", ":key/ … is pending import"),
    ),
    pull_failure(
        "kms-pending",
        "The key that encrypts the secret is pending deletion: it decrypts nothing until its deletion is cancelled.",
        "DescribeKey: KeyState and DeletionDate.",
        *("can't decrypt the protected secret text … pending deletion", "DecryptionFailure … pending deletion"),
        "can't decrypt the protected secret text … pendingdeletion",
        *("KMSInvalidState … pending deletion", ":key/ … is pending deletion"),
    ),
    pull_failure(
        "kms-disabled kms-pending kms-missing",
        "KMS could not decrypt the secret with its key. The key may be disabled, pending deletion or gone: the text "
        "does not say which.",
        "DescribeKey, for KmsKeyId of DescribeSecret: KeyState tells which.",
        *("can't decrypt the protected secret text", "DecryptionFailure", "KMSInvalidStateException"),
        weak=True,
    ),
    pull_failure(
        "throttled",
        "AWS throttled the call: there were too many at once. The next attempt may succeed.",
        "CloudTrail shows who calls GetSecretValue that often; start fewer tasks at once.",
        *("ThrottlingException", "Rate exceeded", "RequestLimitExceeded", "TooManyRequestsException"),
    ),
    pull_failure(
        "key-missing key-case key-misspelt",
        "ECS read the secret, and its JSON does not have the key that the reference names. Case counts.",
        "Compare the secret's keys with valueFrom: one may differ in case or by a letter.",
        "did not contain json key",
    ),
    pull_failure(
        "single-quoted not-json",
        "The secret is not JSON: it has single quotes instead of double ones, as when Python printed it.",
        "Write the secret again from a JSON file; the version before may still be good.",
        *("invalid character ''' looking for beginning", "property name enclosed in double quotes"),
    ),
    pull_failure(
        "bom not-json",
        "There is a byte order mark before the secret's JSON, which some editors write and few show.",
        "Write the secret again, saved as UTF-8 without a byte order mark.",
        *("invalid character 'ufeff * looking for beginning", "invalid character 'xef * looking for", "UTF-8 BOM"),
    ),
    pull_failure(
        "not-json single-quoted",
        "The secret's text is not JSON, and the reference names a key of it. The message says where parsing failed; "
        "the character may be part of a value.",
        "Pipe GetSecretValue into a JSON parser, not to the screen; the version before may still be good.",
        *("invalid character * looking for beginning of", "invalid character * after object key"),
        *("invalid character * after top-level value", "invalid character * after array element"),
        *("invalid character * in string", "invalid character * in literal", "invalid character * numeric literal"),
        *("invalid character * hexadecimal character escape", "invalid character * exceeded max depth"),
        "cannot unmarshal number … into Go value of type float64",
    ),
    pull_failure(
        "truncated binary not-json",
        "The secret's JSON was cut off, or there is no text at all, because the secret was stored as binary.",
        "GetSecretValue: SecretBinary without SecretString means binary; else the text was cut off.",
        "unexpected end of JSON input",
    ),
    pull_failure(
        "not-an-object not-json",
        "The secret is JSON, but not an object with keys: a list, a number, or JSON in quotes.",
        "GetSecretValue: SecretString must begin with a brace.",
        *("cannot unmarshal * into Go value", "cannot unmarshal * into Go struct"),
    ),
    pull_failure(
        "vpc-dns-off private-dns-off no-egress",
        "The task could not resolve the service's name. Either the VPC resolves no names, or the only way is an "
        "endpoint without private DNS.",
        "DescribeVpcAttribute: enableDnsSupport and enableDnsHostnames; DescribeVpcEndpoints: PrivateDnsEnabled.",
        *("lookup * secretsmanager … no such host", "Secrets Manager … no such host", "amazonaws.com * no such host"),
        *("lookup * amazonaws … no such host", "secretsmanager … no such host"),
    ),
    pull_failure(
        "no-egress endpoint-sg sg-egress network-acl private-dns-off vpc-dns-off",
        "AWS did not answer the task over the network: a route is missing, or a security group, a network ACL or an "
        "endpoint's DNS is wrong. The text does not say which. The role and the secret were not tried yet.",
        "EC2: the subnets' route table, the security groups on 443, the network ACL, and the VPC's endpoints and DNS "
        "attributes.",
        *UNREACHED,
        weak=True,
    ),
    pull_failure(
        "version-short",
        "The reference names a version by an id that is too short to be one.",
        "Look at the last field of valueFrom: a version id has 32 to 64 characters.",
        "at 'versionId' failed to satisfy constraint",
        *("must have length greater than or equal to 32", "minimum field size of 32"),
    ),
    pull_failure(
        "arn-malformed partial-arn",
        "A reference is malformed, so ECS did not look it up.",
        "Look at valueFrom: the secret's whole ARN, and after it nothing or all three of :KEY:STAGE:VERSION.",
        *("unexpected ARN format", "invalid secret ARN", "Invalid name. Must be a valid name", "invalid ARN"),
    ),
    pull_failure(
        "bare-name",
        "ECS looked in SSM Parameter Store: a valueFrom that is not a Secrets Manager ARN names a parameter.",
        "If a secret is meant, put its whole ARN into valueFrom.",
        *NO_PARAMETER,
    ),
    pull_failure(
        "bare-name",
        "ECS looked in SSM Parameter Store and failed: it treats a valueFrom that is not a Secrets Manager ARN as a "
        "parameter's name.",
        "If a secret is meant, put its whole ARN into valueFrom.",
        *("unable to retrieve secrets from ssm", "unable to retrieve secret from ssm", "GetParameters operation"),
        weak=True,
    ),
    pull_failure(
        "role-absent",
        "The task definition names no execution role, and without one ECS can read no secret.",
        "DescribeTaskDefinition: executionRoleArn.",
        *("find execution role credentials", "no execution role", "must also specify a value for 'executionRoleArn"),
        *("task definition to have execution role", "execution role credentials"),
    ),
    pull_failure(
        "role-untrusted",
        "ECS cannot assume the task's role: its trust policy does not name ecs-tasks.amazonaws.com, a condition in "
        "it does not hold, or the role is gone. The secret was not tried yet.",
        "GetRole: AssumeRolePolicyDocument, of the role that the text names.",
        *("unable to assume the role", "unable to assume role", "failed to assume role", "proper trust relationship"),
    ),
    pull_failure(
        "pull-failed",
        "ECS could not prepare what the task needs before it starts. The text does not say what failed.",
        "DescribeTasks: stoppedReason in full; the cause is at its end.",
        *("ResourceInitializationError", "TaskFailedToStart"),
        weak=True,
        kind="other",
    ),
    pull_failure(
        "pull-failed",
        "ECS could not get the task's secrets. The text does not say why.",
        "DescribeTasks: stoppedReason in full; the cause is at its end.",
        *("unable to retrieve secret", "failed to fetch secret", "failed to launch a task with"),
        *("cannot pull secrets", "unable to pull secrets", "fetching secret data from AWS Secrets Manager"),
        "fetching secret data from SSM",
        weak=True,
    ),
)
"""Better wordings come first: of two at the same position, the first counts."""
