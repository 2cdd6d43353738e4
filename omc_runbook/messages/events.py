"""ECS's messages about deployments, running tasks and sessions, and the AWS CLI's about calls."""

from __future__ import annotations

from omc_runbook.messages.phrases import NOT_SECRETS, Phrase, aws_message
from omc_runbook.messages.refusals import AWS

_OWN_CALL = "It concerns the call made from here, not the tasks: they read their secrets as another role."

AT_REST = ("reached a steady state", "deployment completed")
"""Wordings for a service that needs no more tasks."""

DEPLOYMENTS: tuple[Phrase, ...] = (
    aws_message(
        "",
        "The service has as many healthy tasks as desired. That does not prove that a change arrived: a service that "
        "was not redeployed, was rolled back or has desiredCount 0 reports the same.",
        "DescribeServices: the PRIMARY deployment's id, createdAt and rolloutState.",
        AT_REST[0],
    ),
    aws_message(
        "",
        "A deployment is complete. Its id and its time show whether it is yours, and later than the change.",
        "DescribeServices: the PRIMARY deployment's id and createdAt, against the time of the secret's version.",
        *(AT_REST[1], "ECS deployment * completed"),
    ),
    aws_message(
        "",
        "A deployment is in progress, which is normal.",
        "Wait for rolloutState COMPLETED, and watch failedTasks meanwhile.",
        *("ECS deployment * in progress",),
    ),
    aws_message(
        "",
        "ECS starts, stops or registers tasks, as in every deployment.",
        "DescribeServices: events, for what came after.",
        *(") has started * task", ") has stopped * task", ") has begun draining", ") deregistered * target"),
        *(") registered * target", "Scaling activity initiated by"),
    ),
    aws_message(
        "",
        "ECS spreads the service's tasks over the Availability Zones, which is normal. Tasks that it starts read the"
        " secret, so that they may have a newer value than the others.",
        "Run verify: it says whether running tasks have an old value.",
        *("AZ Rebalancing in progress", "is AZ balanced"),
    ),
    aws_message(
        "breaker-rollback",
        "A CloudWatch alarm ended the deployment; with rollback on, the former task definition runs again. The secret "
        "may be correct.",
        "DescribeServices: deploymentConfiguration.alarms, and what the alarm watches.",
        "deployment failed: alarm detected",
    ),
    aws_message(
        "breaker-rollback rollout-stuck",
        "The deployment failed, and ECS found no completed one to go back to: its tasks are all that is left.",
        "DescribeServiceDeployments: statusReason; DescribeTasks: stoppedReason of the deployment's tasks.",
        "no rollback candidate was found",
    ),
    aws_message(
        "breaker-rollback rollout-stuck pull-failed health-check task-exits",
        "The deployment's tasks did not start or stay healthy, so ECS gave up; with rollback on, the former task "
        "definition runs again. That does not undo a bad secret: the former one reads it too.",
        "DescribeTasks: stoppedReason of the deployment's tasks.",
        "deployment circuit breaker: task failed to start",
        *("circuit breaker: rolling back", "circuit breaker: tasks failed", "deployment circuit breaker"),
        *("rolling back to deployment", "deployment failed: tasks failed to start", "deployment failed:"),
        "circuit breaker threshold was exceeded",
    ),
    aws_message(
        "breaker-rollback",
        "A lifecycle hook of the deployment failed, timed out or was rolled back, and the former revision serves "
        "again. The secret may be correct.",
        "The log of the hook's Lambda function; DescribeServiceDeployments: statusReason and lifecycleHookDetails.",
        *("lifecycle hook(s) failed", "lifecycle hook(s) timed out", "lifecycle hook(s) were rolled back"),
    ),
    aws_message(
        "deployment-paused",
        "The deployment waits for a person at a lifecycle hook. After 24 hours, if nothing else is set, it is rolled "
        "back.",
        "DescribeServiceDeployments: lifecycleHookDetails; ContinueServiceDeployment lets it go on.",
        *("status * AWAITING_ACTION", "AWAITING_ACTION PAUSE"),
    ),
    aws_message(
        "",
        "A person stopped the deployment, or a newer one took its place. The newest one shows what tasks run now.",
        "ListServiceDeployments; CloudTrail: StopServiceDeployment and UpdateService say who.",
        *("because a newer deployment of the service", "deployment rolled back because it was stopped"),
    ),
    aws_message(
        "rollout-stuck",
        f"ECS can neither stop an old task nor start a new one within the deployment's limits. {NOT_SECRETS}",
        "DescribeServices: deploymentConfiguration, minimumHealthyPercent and maximumPercent.",
        *("unable to stop or start tasks during a deployment", "because of the service deployment configuration"),
    ),
    aws_message(
        "not-forced",
        f"Old tasks are protected from being stopped, and outlast the deployment, with what they have. {NOT_SECRETS}",
        "GetTaskProtection: until when; UpdateTaskProtection ends it.",
        *("tasks under protection", "unable to scale in due to"),
    ),
    aws_message(
        "rollout-stuck pull-failed health-check task-exits image-pull out-of-memory",
        "The service's tasks keep failing, and ECS waits longer between attempts. The event does not say why.",
        "DescribeTasks: stoppedReason and the containers' exit codes of tasks that stopped in the last hour.",
        "unable to consistently start tasks successfully",
    ),
    aws_message(
        "rollout-stuck pull-failed health-check task-exits image-pull out-of-memory",
        "A program that waited for the deployment gave up before it ended, after ten minutes for the AWS CLI. It does "
        "not say why, and the deployment goes on.",
        "DescribeServices: rolloutState, failedTasks and events; DescribeTasks: stoppedReason of tasks that stopped.",
        *("ServicesStable failed: Max attempts exceeded", "not in the state servicesStable", "Waiter has timed out"),
        "waiting for state to become 'tfSTABLE'",
    ),
    aws_message(
        "no-capacity",
        f"ECS could not place a task: capacity, memory, ports or a quota ran out. {NOT_SECRETS}",
        "DescribeServices: events name what is missing; then the cluster's capacity and the account's quotas.",
        *("Capacity is unavailable", "RESOURCE:MEMORY", "RESOURCE:CPU", "RESOURCE:ENI", "RESOURCE:PORTS"),
        "RESOURCE:GPU",
        "no container instance met all of its requirements",
        *("Reason: CAPACITY", "no container instances were found", "reached the limit on the number of tasks"),
        *("vCPU limit", "limit on the number of vCPU", "insufficient memory available", "insufficient CPU units"),
        *("network interface provisioning to complete", "timeout waiting for ephemeralstorage"),
        *("insufficient capacity", "InsufficientFreeAddresses", "insufficient free addresses"),
        group="pull",
        kind="capacity",
    ),
    aws_message(
        "no-capacity pull-failed",
        "ECS could not place or start a task. The text has no reason that is known here.",
        "DescribeServices: events in full, and DescribeTasks: stoppedReason.",
        "unable to place a task",
        group="pull",
        weak=True,
    ),
    aws_message(
        "out-of-memory",
        f"The container was killed: it used more memory than its limit. {NOT_SECRETS}",
        "DescribeTaskDefinition: memory of the task and of the container; compare with the service's metrics.",
        *("OutOfMemory", "out of memory", "killed due to memory", "OOMKilled", "OOM-killed"),
        group="exit",
        kind="memory",
    ),
    aws_message(
        "health-check",
        "The task read its secrets, started, and failed its health check. That is a secrets problem only if the check "
        "uses a wrong value.",
        "The application's log, and healthCheck in the task definition or the target group's.",
        *("failed container health checks", "failed ELB health checks", "is unhealthy in (target-group"),
        *("is unhealthy in target-group", "failed health checks"),
        group="exit",
        kind="health-check",
    ),
    aws_message(
        "out-of-memory health-check task-exits",
        "The container was killed (137): it ran out of memory, failed a health check, or "
        "did not stop in time. The code does not say which.",
        "DescribeTasks: the container's reason says OutOfMemoryError where it was memory.",
        *("exit code 137", "exit code: 137", "exitcode':137", "exit code = 137"),
        group="exit",
        weak=True,
    ),
    aws_message(
        "task-exits",
        "The container started with its secrets and exited. The application's log says whether their values are "
        "wrong. Exit code 139 is a crash, and 143 a stop by SIGTERM.",
        "The application's log, at the time when the task stopped.",
        *("Essential container in task exited", "EssentialContainerExited", "unexpected exit code"),
        *(f"exit code{mark} {digit}" for mark in ("", ":", "':") for digit in range(1, 10)),
        group="exit",
        weak=True,
    ),
    aws_message(
        "",
        f"The task was stopped by AWS or by a person. {NOT_SECRETS}",
        "CloudTrail: StopTask says who stopped it.",
        *("Your Spot Task was interrupted", "Task stopped by", "UserInitiated", "Host EC2"),
        *("performing maintenance", "SpotInterruption"),
        kind="replaced",
    ),
)

SESSIONS: tuple[Phrase, ...] = (
    aws_message(
        "exec-off exec-agent exec-iam exec-endpoint",
        "ECS Exec is not available in this task: it was off when the task started, or its agent is not running. The "
        "text does not say which. Enabling it in the service only affects tasks that start afterwards.",
        "DescribeTasks: enableExecuteCommand, then managedAgents of the container.",
        "execute command was not enabled",
        "execute command agent isn't running",
    ),
    aws_message(
        "exec-agent exec-iam exec-endpoint",
        "The agent in the task does not answer. It may have stopped, the task role may lack the ssmmessages actions, "
        "or the task cannot reach ssmmessages.",
        "DescribeTasks: managedAgents; then the task role's policies, and the subnets' routes and endpoints.",
        *("TargetNotConnected", "execute command failed due to an internal error"),
    ),
    aws_message(
        "exec-plugin",
        "The AWS CLI found no session-manager-plugin on this machine. Nothing is wrong with the task.",
        "Install session-manager-plugin, or let the runbook look inside: it needs none.",
        *("SessionManagerPlugin is not found", "session-manager-plugin: command not found"),
        *("session-manager-plugin' is not recognized", "session-manager-plugin: not found"),
    ),
    aws_message(
        "",
        "ECS Exec begins no session, because its log must be encrypted, and its agent does not know that the log group "
        "or the bucket is. Nothing is wrong with the secret.",
        "DescribeClusters: executeCommandConfiguration. A log group needs a KMS key, and the task role "
        "logs:DescribeLogGroups; a bucket encryption, and the role s3:GetEncryptionConfiguration.",
        *("encryption is not set up on the selected CloudWatch", "encryption is not set up on the selected Amazon S3"),
        *("unable to validate encryption on CloudWatch", "unable to validate encryption on Amazon S3"),
    ),
    aws_message(
        "",
        "ECS Exec runs a command without a shell, so the guide's env | grep needs sh -c around it. And it would print "
        "secret values, into a session that may be logged.",
        "Run verify with look_inside instead: it compares digests in the task and prints no value.",
        *("env: '|'", "env: |:", "env: can't execute '|'", "unrecognized option * '-E'", "env: invalid option -- 'E'"),
    ),
    aws_message(
        "exec-no-shell start-failed",
        "The container has no such program: an image without a shell cannot run sh. If the message is from the task's "
        "start, the task definition's command is wrong.",
        "Check the image: a distroless one has no shell, and only times show which values its process holds.",
        *("executable file not found in $PATH", "'/bin/sh': stat /bin/sh", "start pty: fork/exec"),
        *("fork/exec /bin/sh", "'/bin/bash': stat /bin/bash"),
        kind="start",
    ),
    aws_message(
        "exec-readonly",
        "The container's file system is read-only. ECS Exec's agent has to write to it and stops; so does an "
        "application that writes.",
        "DescribeTaskDefinition: readonlyRootFilesystem.",
        *("read-only file system", "readonly file system"),
    ),
    aws_message(
        "exec-endpoint exec-iam",
        "ssmmessages was not reached. ECS Exec needs it from the task and from this machine.",
        "EC2: the endpoint for ssmmessages, its security group, and the route of the task's subnet.",
        *("wss://ssmmessages", "lookup ssmmessages", "https://ssmmessages", "Setting up data channel with id"),
        owner=True,
    ),
)

CALLS: tuple[Phrase, ...] = (
    aws_message(
        "wrong-names",
        "There is no cluster or service of that name in this region and account. The platform's names may differ from "
        "the guide's.",
        "ListClusters and ListServices; then set cluster and service in runbook.toml.",
        *("ClusterNotFound", "Cluster not found", "ServiceNotFound", "Service not found", "ServiceNotActive"),
        *("Service was not ACTIVE", "'reason':'MISSING'"),
        "ServicesStable failed: Waiter encountered a terminal failure",
    ),
    aws_message(
        "code-deploy",
        "CodeDeploy deploys this service, so ECS refuses to force a deployment.",
        "Start a deployment in CodeDeploy: its new tasks read the secret again.",
        "a CODE_DEPLOY deployment controller",
    ),
    aws_message(
        "external-controller",
        "An external controller deploys this service by task sets, so ECS refuses to force a deployment.",
        "DescribeServices: deploymentController and taskSets. A new task set reads the secret again.",
        "EXTERNAL deployment controller",
    ),
    aws_message(
        "duplicate-name",
        "A container has one variable both in environment and in secrets, and ECS refuses such a revision.",
        "Remove the variable from environment, and register the revision again.",
        "secret name must be unique and not shared with any new or existing environment variables",
    ),
    aws_message(
        "rotation-pending rotation-overdue",
        "A rotation of the secret did not end: its Lambda function could not be invoked, or failed.",
        "DescribeSecret: RotationEnabled and the version with AWSPENDING; then the log of the rotation's function.",
        *("previous rotation isn't complete", "cannot invoke the specified Lambda function"),
        *("not set as AWSPENDING for rotation", "has no stage for rotation of secret"),
        *("unable to log into database with previous, current, or pending secret", "is not enabled for rotation"),
        group="pull",
    ),
    aws_message(
        "",
        "AWS refused a call to a service other than Secrets Manager, such as S3 or IAM. That says nothing about"
        " whether tasks can read the secret.",
        "The policies of whoever made the call: the text names the operation.",
        "(AccessDenied) when calling",
        group="pull",
        weak=True,
    ),
    aws_message(
        "",
        f"AWS does not accept the credentials: there are none, or they have expired or are invalid. {_OWN_CALL}",
        "Sign in again, then aws sts get-caller-identity.",
        *("ExpiredToken", "Unable to locate credentials", "SSO session associated with this profile"),
        *("Token has expired and refresh failed", "UnrecognizedClientException", "config profile * could not be found"),
        *AWS.wordings,
    ),
    aws_message(
        "",
        f"The AWS CLI did not reach AWS, or has no region. {_OWN_CALL}",
        "Check --region and AWS_REGION, AWS_ENDPOINT_URL, the proxy and this machine's network.",
        *("Could not connect to the endpoint URL", "You must specify a region", "Connect timeout on endpoint URL"),
    ),
    aws_message(
        "",
        "The secret, or a version with that token, exists already. Nothing was changed.",
        "DescribeSecret; to change its value run update instead of create.",
        "ResourceExistsException",
        "creating Secrets Manager Secret … already exists",
    ),
    aws_message(
        "",
        'RDS refuses the password: a master password has 8 characters or more, and no / @ " or space.',
        "Generate one with openssl rand -hex 32, and give it to the database and the secret.",
        "MasterUserPassword is not a valid password",
    ),
    aws_message(
        "",
        "The value is longer than the 65,536 bytes that a version of a secret may have. Nothing was changed.",
        "Remove keys that nobody uses, or move some to a secret of their own.",
        *("secretString' … length less than or equal to 65536", "secretBinary' … length less than or equal to 65536"),
    ),
    aws_message(
        "",
        "Somebody else moved AWSCURRENT first, so AWS refused this write. Nothing was lost.",
        "DescribeSecret: VersionIdsToStages; CloudTrail shows who. Then start again from the current version.",
        "The parameter RemoveFromVersionId can't be",
        "staging label AWSCURRENT is currently attached",
    ),
)
