"""Pasted texts: each kind is recognised however it was copied, and nothing of it but names is kept."""

import ast
import html
import inspect
import json
import random
import secrets
import textwrap
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from omc_runbook.checks.families import symptom
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.messages.paste import flatten
from omc_runbook.messages.recognition import recognise
from omc_runbook.sandbox.authorization import refusal
from omc_runbook.sandbox.aws import kms, secretsmanager
from omc_runbook.sandbox.ecs import application, injection, scheduler, services
from omc_runbook.sandbox.principals import Principal

TASK = "5d41402abc4b2a76b9719d911017c592"
ROLE = "ohmycoins-staging-ecs-task-execution-role"
SECRET = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:ohmycoins/staging-app-secrets-a1B2c3"
START = "ResourceInitializationError: unable to pull secrets or registry auth: "
PULL = f"{START}execution resource retrieval failed: unable to retrieve secret from asm: "
RETRIED = f"{PULL}service call has been retried 5 time(s): "
USER = f"User: arn:aws-cn:sts::123456789012:assumed-role/{ROLE}/{TASK} is not authorized to perform: "
DENIED = f"{USER}secretsmanager:GetSecretValue on resource: {SECRET} "


def api(code: str, message: str) -> str:
    """A stoppedReason of a task whose secret the API refused."""
    return (
        f"{RETRIED}failed to fetch secret {SECRET} from secrets manager: operation error Secrets Manager: "
        f"GetSecretValue, https response error StatusCode: 400, RequestID: 0a-1b, api error {code}: {message}"
    )


def denied(why: str) -> str:
    """A stoppedReason of a task whose role is refused the secret."""
    return api("AccessDeniedException", DENIED + why)


MISSING = f"{RETRIED}retrieved secret from Secrets Manager did not contain json key OPENAI_API_KEY"
REFUSED = denied("because no identity-based policy allows the secretsmanager:GetSecretValue action")
TEXTS: tuple[tuple[str, str], ...] = (
    ("secret-missing", api("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")),
    (
        "no-current-version",
        api(
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
        ),
    ),
    (
        "previous-pinned",
        api(
            "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: OLD"
        ),
    ),
    (
        "version-pinned",
        api("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: 12-34"),
    ),
    ("no-permission", REFUSED),
    ("no-permission", f"{PULL}AccessDeniedException: not authorized to perform: secretsmanager:GetSecretV"),
    ("no-permission", "not authorized to perform: secretsmanager:GetSecretValue on resource"),
    ("pull-failed", f"ResourceInitializationError: Fetching secret data from AWS Secrets Manager: secret {SECRET}"),
    ("identity-deny", denied("with an explicit deny in an identity-based policy")),
    ("resource-deny", denied("with an explicit deny in a resource-based policy")),
    ("wrong-account", denied("because no resource-based policy allows the secretsmanager:GetSecretValue action")),
    (
        "wrong-account",
        denied("because no identity-based policy allows the action").replace("cn-north-1:123", "cn-north-1:923"),
    ),
    ("boundary", denied("because no permissions boundary allows the secretsmanager:GetSecretValue action")),
    ("boundary", denied("with an explicit deny in a permissions boundary")),
    ("scp", denied("with an explicit deny in a service control policy")),
    ("", denied("with an explicit deny in a session policy")),
    ("scp", denied("because no service control policy allows the secretsmanager:GetSecretValue action")),
    ("endpoint-policy", denied("because no VPC endpoint policy allows the secretsmanager:GetSecretValue action")),
    ("endpoint-policy", denied("with an explicit deny in a VPC endpoint policy")),
    ("no-permission", denied("")),
    ("kms-no-permission", api("AccessDeniedException", "Access to KMS is not allowed")),
    (
        "kms-no-permission",
        api("AccessDeniedException", f"{USER}kms:Decrypt on resource: arn:aws:kms:x:1:key/2 because"),
    ),
    (
        "kms-cross-account",
        api(
            "InvalidRequestException",
            "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS key",
        ),
    ),
    (
        "scheduled-deletion",
        api(
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        ),
    ),
    (
        "scheduled-deletion",
        api("InvalidRequestException", "You can't perform this operation on the secret because it was deleted."),
    ),
    (
        "scheduled-deletion",
        "An error occurred (InvalidRequestException) when calling the CreateSecret operation: You can't create this "
        "secret because a secret with this name is already scheduled for deletion.",
    ),
    (
        "kms-disabled",
        api(
            "DecryptionFailure",
            "Secrets Manager can't decrypt the protected secret text using the provided KMS key: key/1 is disabled.",
        ),
    ),
    (
        "kms-pending",
        api(
            "DecryptionFailure",
            "Secrets Manager can't decrypt the protected secret text using the provided KMS key: is pending deletion.",
        ),
    ),
    (
        "kms-disabled",
        api("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key."),
    ),
    (
        "kms-disabled",
        "KMSInvalidStateException: arn:aws:kms:eu-west-1:1:key/12-34 is pending import.",
    ),
    (
        "kms-pending",
        "KMSInvalidStateException: arn:aws:kms:eu-west-1:1:key/12-34 is pending deletion (Service: AWSKMS)",
    ),
    (
        "parameter-denied",
        f"{PULL}unable to retrieve secrets from ssm: AccessDeniedException: The ciphertext refers to a customer master "
        "key that does not exist, does not exist in this region, or you are not allowed to access. (Service: AWSKMS; "
        "Status Code: 400; Error Code: AccessDeniedException; Request ID: 12-34)",
    ),
    ("kms-disabled", "An error occurred (DisabledException): arn:aws:kms:eu-west-1:1:key/12-34 is disabled."),
    ("version-short", f"{PULL}InvalidParameter: minimum field size of 32, GetSecretValueInput.VersionId."),
    ("breaker-rollback", "(service api) (deployment ecs-svc/0417310325) deployment failed: alarm detected."),
    ("no-permission", "because no identity-based policy allows the secretsmanager:GetSecretValue action"),
    ("resource-deny", "with an explicit deny in a resource-based policy"),
    ("scp", "with an explicit deny in a service control policy"),
    ("endpoint-policy", "because no VPC endpoint policy allows the secretsmanager:GetSecretValue action"),
    ("throttled", api("ThrottlingException", "Rate exceeded")),
    ("pull-failed", api("OfTomorrowException", "a message that nobody has seen yet")),
    ("key-missing", MISSING),
    ("single-quoted", f"{RETRIED}invalid character '\\'' looking for beginning of object key string"),
    ("bom", f"{RETRIED}invalid character 'ï' looking for beginning of value"),
    ("bom", f"{RETRIED}invalid character '\\ufeff' looking for beginning of value"),
    ("not-json", f"{RETRIED}invalid character 'S' looking for beginning of value"),
    ("not-json", f"{RETRIED}invalid character '`' looking for beginning of value"),
    ("not-json", f"{RETRIED}invalid character '}}' looking for beginning of object key string"),
    ("not-json", f"{RETRIED}invalid character 'x' after top-level value"),
    ("not-json", f"{RETRIED}invalid character 'x' in \\u hexadecimal character escape"),
    ("not-json", f"{RETRIED}invalid character 'x' in exponent of numeric literal"),
    ("not-json", f"{RETRIED}invalid character '[' exceeded max depth"),
    ("not-json", f"{RETRIED}json: cannot unmarshal number 1e999 into Go value of type float64"),
    ("truncated", f"{RETRIED}unexpected end of JSON input"),
    *(
        ("not-an-object", f"{RETRIED}json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
        for kind in ("string", "array", "number")
    ),
    (
        "no-egress",
        f"{PULL}There is a connection issue between the task and AWS Secrets Manager. Check your task network "
        f"configuration. failed to fetch secret {SECRET} from secrets manager: operation error Secrets Manager: "
        "GetSecretValue, https response error StatusCode: 0, RequestID: , canceled, context deadline exceeded",
    ),
    # cut off, as a chat or a column does
    (
        "no-egress",
        f"{PULL}There is a connection issue between the task and AWS Secrets Manager. Check your task network "
        f"configuration. failed to fetch secret {SECRET} from secr",
    ),
    ("no-egress", f'{RETRIED}Post "https://secretsmanager.eu-west-1.amazonaws.com/": dial tcp 10.0.0.1: i/o timeout'),
    (
        "vpc-dns-off",
        f'{RETRIED}Post "https://secretsmanager.eu-west-1.amazonaws.com/": dial tcp: lookup '
        "secretsmanager.eu-west-1.amazonaws.com on 10.0.0.2:53: no such host",
    ),
    (
        "role-untrusted",
        f"ECS was unable to assume the role 'arn:aws:iam::123456789012:role/{ROLE}' that was provided for this task. "
        "Please verify that the role being passed has the proper trust relationship and permissions.",
    ),
    ("arn-malformed", f"{PULL}unexpected ARN format with parameters when trying to retrieve ASM secret"),
    ("arn-malformed", f"{PULL}invalid secret ARN"),
    (
        "arn-malformed",
        api("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters"),
    ),
    ("bare-name", PULL.replace("secret from asm", "secrets from ssm") + "invalid ssm parameters: app-secrets"),
    (
        "bare-name",
        PULL.replace("secret from asm", "secrets from ssm") + f"AccessDeniedException: {USER}ssm:GetParameters on "
        "resource: arn:aws:ssm:x:1:parameter/y because no identity-based policy allows the ssm:GetParameters action",
    ),
    (
        "duplicate-name",
        "An error occurred (ClientException) when calling the RegisterTaskDefinition operation: The secret name must "
        "be unique and not shared with any new or existing environment variables set on the container",
    ),
    (
        "rotation-pending",
        "An error occurred (InvalidRequestException) when calling the RotateSecret operation: A previous rotation "
        "isn't complete. That rotation will be reattempted.",
    ),
    (
        "rotation-pending",
        "An error occurred (AccessDeniedException) when calling the RotateSecret operation: Secrets Manager cannot "
        "invoke the specified Lambda function. Ensure that the function policy grants access to the principal "
        "secretsmanager.amazonaws.com.",
    ),
    ("rotation-pending", f"Secret version 12-34 not set as AWSPENDING for rotation of secret {SECRET}."),
    (
        "rotation-pending",
        f"setSecret: Unable to log into database with previous, current, or pending secret of secret arn {SECRET}",
    ),
    (
        "settings-refused",
        "1 validation error for Settings\nmy_flag\n  Extra inputs are not permitted [type=extra_forbidden]",
    ),
    ("url-chars", "ValueError: invalid interpolation syntax in 'postgresql://app:a%c@db/app' at position 20"),
    ("url-chars", "psycopg.OperationalError: failed to resolve host 'cd@db': [Errno -2] Name or service not known"),
    ("white-space", "ValueError: Redis URL must specify one of the following schemes (redis://, rediss://, unix://)"),
    ("white-space", "jose.exceptions.JWKError: Unable to load PEM file."),
    ("name-mismatch", "Error: secretOrPrivateKey must have a value"),
    (
        "bad-copy",
        "UnicodeEncodeError: 'ascii' codec can't encode character '\\u201c' in position 7: ordinal not in range",
    ),
    ("store-only", "cryptography.fernet.InvalidToken"),
    ("store-only", "redis.exceptions.AuthenticationError: AUTH <password> called without any password configured"),
    ("role-absent", f"{PULL}unable to find execution role credentials"),
    (
        "role-absent",
        "An error occurred (ClientException) when calling the RegisterTaskDefinition operation: When you are "
        "specifying container secrets, you must also specify a value for 'executionRoleArn'.",
    ),
    ("breaker-rollback", "ECS deployment circuit breaker: tasks failed to start."),
    ("breaker-rollback", "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/0417310325193426518."),
    ("breaker-rollback", "(service api) rolling back to deployment ecs-svc/0417310325193426518."),
    ("breaker-rollback", "(service api) (deployment ecs-svc/0417) deployment failed: tasks failed to start."),
    ("", "(service api) (deployment ecs-svc/0417310325193426518) deployment completed."),
    ("", "ECS deployment ecs-svc/0417310325193426518 completed."),
    ("", "(service api) has reached a steady state."),
    ("", f"(service api) has started 2 tasks: (task {TASK}) (task {TASK})."),
    ("", "(service api) is not AZ balanced with 3 tasks in x-1a, 1 tasks in x-1b. AZ Rebalancing in progress."),
    ("", "(service api) is AZ balanced with 2 tasks in x-1a, 2 tasks in x-1b."),
    ("", "Scaling activity initiated by (deployment ecs-svc/0417310325193426518)"),
    ("key-missing", f"(service api) was unable to place a task. Reason: {RETRIED}did not contain json key A_KEY."),
    ("no-capacity", "(service api) was unable to place a task. Reason: RESOURCE:MEMORY."),
    ("no-capacity", "(service api) was unable to place a task. Reason: Capacity is unavailable at this time."),
    (
        "no-capacity",
        "(service api) was unable to place a task because no container instance met all of its requirements",
    ),
    ("pull-failed", f"(service api) was unable to place a task. Reason: {START.rstrip(' :')}."),
    (
        "rollout-stuck",
        "(service api) was unable to stop or start tasks during a deployment because of the service deployment "
        "configuration. Update the minimumHealthyPercent or maximumPercent value and try again.",
    ),
    (
        "not-forced",
        "(service api) was unable to reach steady state because (taskSet ecs-svc/1) was unable to scale in due to"
        " (reason 2 tasks under protection)",
    ),
    ("rollout-stuck", "(service api) is unable to consistently start tasks successfully."),
    *(
        (check, f"Service deployment rolled back because {why}.")
        for check, why in (
            ("breaker-rollback", "the circuit breaker threshold was exceeded"),
            ("breaker-rollback", "POST_SCALE_UP lifecycle hook(s) timed out"),
            ("", "it was stopped"),
        )
    ),
    ("breaker-rollback", "ECS deployment circuit breaker: task failed to start."),
    ("deployment-paused", "LIFECYCLEHOOKDETAILS\tecs-pause-1\tAWAITING_ACTION\tPAUSE"),
    ("deployment-paused", "|  status     |  AWAITING_ACTION  |"),
    ("deployment-paused", '{"hookId": "ecs-pause-1", "targetType": "PAUSE", "status": "AWAITING_ACTION"}'),
    ("rollout-stuck", "Waiter ServicesStable failed: Max attempts exceeded"),
    (
        "wrong-names",
        "Waiter ServicesStable failed: Waiter encountered a terminal failure state: For expression "
        '"failures[].reason" we matched expected path: "MISSING" at least once',
    ),
    ("wrong-names", "Waiter ServicesStable failed: An error occurred (ClusterNotFoundException): Cluster not found."),
    (
        "rollout-stuck",
        "Error: waiting for ECS Service (api) update: timeout while waiting for state to become 'tfSTABLE'",
    ),
    ("health-check", "Task failed container health checks"),
    ("health-check", f"(service api) (task {TASK}) failed container health checks."),
    (
        "health-check",
        "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:x:1:targetgroup/a/b)",
    ),
    ("task-exits", "Essential container in task exited"),
    ("task-exits", "Essential container in task exited (backend: exit code 1)"),
    ("task-exits", "Essential container in task exited, Exit Code: 139"),
    ("out-of-memory", "Essential container in task exited (backend: exit code 137)"),
    ("out-of-memory", "OutOfMemoryError: Container killed due to memory usage (backend: exit code 137)"),
    ("image-pull", "CannotPullContainerError: pull image manifest has been retried 1 time(s): api:7: not found"),
    ("image-pull", "CannotPullContainerError: Error response from daemon: no basic auth credentials"),
    ("image-pull", f"{START}unable to retrieve ecr registry auth: RequestError: send request failed: i/o timeout"),
    ("image-pull", "CannotPullContainerError: failed to resolve ref: unexpected status: 403 Forbidden"),
    ("image-pull", "CannotPullContainerError: toomanyrequests: You have reached your pull rate limit."),
    (
        "image-pull",
        f"{START}The task cannot pull registry auth from Amazon ECR: There is a connection issue between the task and "
        "Amazon ECR. Check your task network configuration.",
    ),
    (
        "log-group",
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed "
        "to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.",
    ),
    ("start-failed", "CannotStartContainerError: ResourceInitializationError: exec format error"),
    ("environment-file", "ResourceInitializationError: failed to download env files: file download command: Not Found"),
    ("environment-file", "ResourceInitializationError: failed to download env files: AccessDenied: Access Denied"),
    ("volume", "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: i/o timeout"),
    (
        "exec-off",
        "An error occurred (InvalidParameterException) when calling the ExecuteCommand operation: The execute command "
        "failed because execute command was not enabled when the task was run or the execute command agent isn't "
        "running. Wait and try again or run a new task with execute command enabled and try again.",
    ),
    ("exec-agent", "An error occurred (TargetNotConnectedException) when calling the ExecuteCommand operation: The"),
    ("exec-plugin", "SessionManagerPlugin is not found. Please refer to SessionManager Documentation here"),
    ("", "/usr/bin/env: ‘|’: No such file or directory"),
    ("", "We couldn't start the session because encryption is not set up on the selected CloudWatch Logs log group."),
    (
        "",
        "Couldn't start the session because we are unable to validate encryption on Amazon S3 bucket. Error: AccessDen",
    ),
    ("exec-no-shell", 'OCI runtime exec failed: exec failed: exec: "sh": executable file not found in $PATH: unknown'),
    ("exec-no-shell", "Unable to start command: Failed to start pty: fork/exec /bin/sh: no such file or directory"),
    ("exec-no-shell", "Unable to start command: Failed to start pty: fork/exec /bin/bash: no such file or directory"),
    (
        "",
        "An error occurred (ValidationException) when calling the PutSecretValue operation: 1 validation error "
        "detected: Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to "
        "65536",
    ),
    (
        "",
        "InvalidParameterValue: The parameter MasterUserPassword is not a valid password. Only printable ASCII "
        "characters besides '/', '@', '\"', ' ' may be used.",
    ),
    ("start-refused", 'service "prestart" didn\'t complete successfully: exit 1'),
    ("start-refused", "dependency failed to start: container ohmycoins-db-1 is unhealthy"),
    ("command-fails", "ImportError: email-validator is not installed, run `pip install 'pydantic[email]'`"),
    ("exec-readonly", "mkdir /var/lib/amazon: read-only file system"),
    ("exec-iam", f"AccessDeniedException: {USER}ssmmessages:CreateControlChannel on resource: * because"),
    ("exec-endpoint", "failed to dial: wss://ssmmessages.eu-west-1.amazonaws.com/v1/control-channel: i/o timeout"),
    (
        "wrong-names",
        "An error occurred (ClusterNotFoundException) when calling the UpdateService operation: Cluster not",
    ),
    (
        "wrong-names",
        "An error occurred (ServiceNotActiveException) when calling the UpdateService operation: Service was",
    ),
    ("code-deploy", "Unable to force a new deployment on services with a CODE_DEPLOY deployment controller. Use"),
    ("external-controller", "Unable to force a new deployment on services with an EXTERNAL deployment controller."),
    ("", "An error occurred (ExpiredTokenException) when calling the GetCallerIdentity operation: The security token"),
    ("", "An error occurred (InvalidSignatureException) when calling the GetSecretValue operation: Signature expired"),
    ("", "Unable to locate credentials. You can configure credentials by running aws configure."),
    ("", "An error occurred (ResourceExistsException) when calling the CreateSecret operation: already exists."),
    (
        "",
        "An error occurred (AccessDeniedException) when calling the GetSecretValue operation: User: arn:aws:sts::"
        "123456789012:assumed-role/AWSReservedSSO_ReadOnly_0a1b2c/jane@example.com is not authorized to perform: "
        f"secretsmanager:GetSecretValue on resource: {SECRET} because no identity-based policy allows the action",
    ),
    (
        "name-mismatch",
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\nOPENAI_API_KEY\n  Field "
        "required [type=missing, input_value={'A': 'b'}, input_type=dict]",
    ),
    (
        "name-mismatch",
        'key = os.environ["OPENAI_API_KEY"]\n~~~~~~~~~~^^^^\n  File "<frozen os>", line 685, in __getitem__\nKeyError: '
        "'OPENAI_API_KEY'",
    ),
    ("name-mismatch", "environ.exceptions.ImproperlyConfigured: Set the OPENAI_API_KEY environment variable"),
    (
        "name-mismatch",
        "decouple.UndefinedValueError: OPENAI_API_KEY not found. Declare it as envvar or define a default",
    ),
    (
        "name-mismatch",
        "OpenAIError: The OPENAI_API_KEY environment variable is missing or empty; either provide it, or",
    ),
    ("name-mismatch", 'environs.exceptions.EnvError: Environment variable "OPENAI_API_KEY" not set'),
    ("name-mismatch", "PrismaClientInitializationError: error: Environment variable not found: DATABASE_URL."),
    ("name-mismatch", "envconfig: required key OPENAI_API_KEY missing value"),
    ("name-mismatch", "Could not resolve placeholder 'OPENAI_API_KEY' in value \"${OPENAI_API_KEY}\""),
    ("name-mismatch", "django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty."),
    ("name-mismatch", "ArgumentError: Missing `secret_key_base` for 'production' environment, set this string with"),
    (
        "name-mismatch",
        "Did not find openai_api_key, please add an environment variable `OPENAI_API_KEY` which contains",
    ),
    ("name-mismatch", "Could not resolve authentication method. Expected either api_key or auth_token to be set."),
    ("name-mismatch", "stripe._error.AuthenticationError: No API key provided. (HINT: set your API key using"),
    ("name-mismatch", "jwt.exceptions.InvalidKeyError: HMAC key must not be empty."),
    ("command-fails", "exec /app/scripts/prestart.sh: no such file or directory"),
    ("", "An error occurred (AccessDenied) when calling the PutObject operation: Access Denied"),
    ("", 'asyncpg.exceptions.InvalidCatalogNameError: database "app" does not exist'),
    ("white-space", "ValueError: Fernet key must be 32 url-safe base64-encoded bytes."),
    (
        "white-space",
        "FIRST_SUPERUSER\n  value is not a valid email address: The email address is not valid. [type=value",
    ),
    ("changethis", 'Value error, SECRET_KEY still has the default "changethis": not started in staging'),
    (
        "changethis",
        'The value of SECRET_KEY is "changethis", for security, please change it, at least for deployments.',
    ),
    ("store-only", 'FATAL:  password authentication failed for user "postgres"'),
    ("store-only", "error: x code: '28P01', routine: 'auth_failed'"),
    ("store-only", "FATAL:  Passwort-Authentifizierung für Benutzer »postgres« fehlgeschlagen"),
    ("store-only", "FATAL:  authentification par mot de passe échouée pour l'utilisateur « postgres »"),
    ("store-only", "pymongo.errors.OperationFailure: Authentication failed., full error: {'code': 18}"),
    ("", 'FATAL:  database "app" does not exist'),
    ("", 'FATAL:  no pg_hba.conf entry for host "10.0.1.5", user "postgres", database "app", no encryption'),
    ("", "Error: connect ECONNREFUSED 10.0.0.5:5432"),
    ("", "P1001: Can't reach database server at `db.internal`:`5432`"),
    ("pull-failed", "unable to pull secrets or registry auth"),
    ("url-chars", 'could not translate host name "b@db" to address: Name or service not known'),
    ("number-format", "ValueError: Port could not be cast to integer value as 'x'"),
    (
        "store-only",
        "openai.AuthenticationError: Error code: 401 - {'error': {'message': 'Incorrect API key provided: x'}}",
    ),
    ("store-only", "Cannot connect to amqp://app:**@mq:5672//: (403) ACCESS_REFUSED - Login was refused"),
    ("store-only", "BinanceAPIException: APIError(code=-1022): Signature for this request is not valid."),
    ("store-only", "requests.HTTPError: 401 Client Error: Unauthorized for url: https://api.openai.com/v1/models"),
    ("not-forced", "jwt.exceptions.InvalidSignatureError: Signature verification failed"),
    ("store-only", "smtplib.SMTPAuthenticationError: (535, b'5.7.8 Username and Password not accepted')"),
    ("white-space", "httpx.LocalProtocolError: Illegal header value b'Bearer x\\n'"),
    ("null", "OPENAI_API_KEY=<nil>"),
    ("nested", "OPENAI_API_KEY=map[live:x test:y]"),
    (
        "no-current-version",
        "Error: reading Secrets Manager Secret Version (arn:aws|AWSCURRENT): couldn't find resource",
    ),
    ("required-empty", 'The "SECRET_KEY" variable is not set. Defaulting to a blank string.'),
    ("unterminated", "python-dotenv could not parse statement starting at line 7"),
    ("pg-volume", "PostgreSQL Database directory appears to contain a database; Skipping initialization"),
)

MANGLED: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "lower case": str.lower,
    "upper case": lambda text: text.upper().replace("\\N", "\\n").replace("\\UFEFF", "\\ufeff").replace("Ï", "ï"),
    "cut at the terminal's width": lambda text: "\n".join(text[at : at + 67] for at in range(0, len(text), 67)),
    "wrapped between words": lambda text: textwrap.fill(text, 50, break_long_words=False, break_on_hyphens=False),
    "quoted in a mail": lambda text: "\r\n".join(f">  {line}" for line in textwrap.wrap(text, 60)),
    "in a box of Terraform's": lambda text: "\n".join(f"│ {line}" for line in textwrap.wrap(text, 60)),
    "in JSON": lambda text: json.dumps({"stopped": text}, indent=2),
    "in JSON in JSON": lambda text: json.dumps({"message": json.dumps({"stopped": text}, ensure_ascii=False)}),
    "in HTML": lambda text: f"<td><code>{html.escape(text)}</code></td>",
    "with quotes set by a word processor": lambda text: text.replace("can't", "can’t").replace('"', "”"),
    "in colours": lambda text: f"\x1b[31m{text.replace(' ', chr(27) + '[0m ' + chr(27) + '[1;33m', 3)}\x1b[0m",
    "with tabs and spaces": lambda text: "\t" + text.replace(" ", " \t  "),
    "among other words": lambda text: f"2026-11-24T03:14:15Z look at this:\n{text}\n\nWhat shall I do? - Jo",
}


def firsts(text: str) -> list[str]:
    """The likeliest check of each kind of message in a text; "" for a kind that is no check's."""
    return [each.checks[0] if each.checks else "" for each in recognise(text)]


@pytest.mark.parametrize("mangle", MANGLED.values(), ids=MANGLED)
def test_texts_are_recognised_however_copied(mangle: Callable[[str], str]) -> None:
    """A text says one thing, whatever its wrapping, quoting, case and surroundings."""
    results = [(firsts(mangle(text)), text) for _, text in TEXTS]
    assert results == [([check], text) for check, text in TEXTS]


def test_a_label_in_small_letters_is_not_called_awscurrent() -> None:
    """Texts are compared without their case: what is said of a missing AWSCURRENT has to hold of "awscurrent" too."""
    (message,) = recognise("Secrets Manager can't find the specified secret value for staging label: awscurrent")
    assert "case counts" in message.meaning and message.checks == ("no-current-version", "previous-pinned")


def test_what_is_said_is_whole() -> None:
    """A meaning and the place to look are sentences, and every id that is named has a symptom."""
    for _, text in TEXTS:
        (message,) = recognise(text)
        assert message.meaning.endswith(".") and message.next.endswith(".")
        assert all(symptom(each) for each in message.checks)


def test_a_meaning_guesses_at_no_cause() -> None:
    """It stands below findings, too, where the checks may have ruled the guess out: that is for where to look."""
    (refused,) = recognise(REFUSED)
    assert refused.meaning.endswith("none of its own policies allows it.") and "six characters" in refused.next


def test_a_character_outside_ascii_need_not_be_a_values() -> None:
    """A program that prints one without a UTF-8 locale says the same."""
    [message] = recognise("UnicodeEncodeError: 'ascii' codec can't encode character '\\xe9' in position 3")
    assert "locale" in message.meaning


def test_several_texts_are_told_in_their_order() -> None:
    """A page with many messages gives each kind once, in the order of the page."""
    chosen = [row for row in TEXTS if row[1].startswith(("Resource", "(service", "An error")) and "\n" not in row[1]]
    for seed in range(30):
        rows = random.Random(seed).sample(chosen, 4)
        alone = [recognise(text)[0].meaning for _, text in rows]
        page = "\n".join(text for _, text in [*rows, rows[0]])
        assert [each.meaning for each in recognise(page)] == list(dict.fromkeys(alone))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n\n",
        "Hello, is anybody awake?",
        'INFO:     127.0.0.1:52432 - "GET /api/v1/login HTTP/1.1" 401 Unauthorized',
        "INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)",
        'level=info msg="reconciled" err=<nil>',
        '{"detail":[{"type":"missing","loc":["body","password"],"msg":"Field required"}]}',
        '{"containers": [{"name": "backend", "exitCode": null, "lastStatus": "RUNNING"}]}',
        f"User {SECRET} on resource: {SECRET}",
        "FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'",
        "The lifecycle hook ecs-pause-1 is not in AWAITING_ACTION status.",
        "The target group could not be used because it was deleted.",
        "Encryption is not set up on the selected disk: unable to validate encryption on volume data.",
    ],
)
def test_other_texts_say_nothing(text: str) -> None:
    """What is no known message is not made one."""
    assert recognise(text) == ()


def test_a_call_of_ecs_execs_agent_is_the_task_roles() -> None:
    """As which it asks whether the log group is encrypted; no log of a container needs that."""
    role = f"arn:aws:sts::123456789012:assumed-role/ohmycoins-staging-ecs-task-role/{secrets.token_hex(16)}"
    told = recognise(
        "Couldn't start the session because we are unable to validate encryption on CloudWatch Logs log group. Error:"
        f" AccessDeniedException: User: {role} is not authorized to perform: logs:DescribeLogGroups on resource: *"
    )
    assert [each.checks for each in told] == [(), ()]
    assert "its task role lacks the permission" in told[1].meaning


def test_names_are_taken_from_the_text() -> None:
    """The key, secret, region, account, role, task, error, service and deployment that AWS names are read."""
    (missing,) = recognise(f"(service api) was unable to place a task. Reason: {MISSING}.")
    assert set(missing.names) == {("service", "api"), ("key", "OPENAI_API_KEY")}
    (refused,) = recognise(REFUSED)
    assert set(refused.names) == {
        ("action", "secretsmanager:GetSecretValue"),
        ("role", ROLE),
        ("task", TASK),
        ("secret", SECRET),
        ("region", "cn-north-1"),
        ("account", "123456789012"),
        ("error", "AccessDeniedException"),
    }
    managed = SECRET.replace("ohmycoins/staging-app-secrets", "rds!db-1b2c3d4e")
    (of_rds,) = recognise(REFUSED.replace(SECRET, managed))
    assert ("secret", managed) in of_rds.names
    (invalid,) = recognise(
        "1 validation error(s) for Settings: FIRST_SUPERUSER: Value error, value is not a valid email"
    )
    assert invalid.names == (("variable", "FIRST_SUPERUSER"),)
    (back,) = recognise("(service api) rolling back to deployment ecs-svc/0417310325193426518.")
    assert back.names == (("service", "api"), ("deployment", "ecs-svc/0417310325193426518"))


@pytest.mark.parametrize(
    "text",
    [
        'key = os.environ["NAME"]\n  File "<frozen os>", line 685, in __getitem__\nKeyError: \'NAME\'',
        "The NAME environment variable is missing or empty",
        "UndefinedValueError: NAME not found. Declare it as envvar or define a default value.",
        "error: Environment variable not found: NAME.",
        "required key NAME missing value",
        "Could not resolve placeholder 'NAME' in value",
    ],
)
def test_the_missing_variable_is_named(text: str) -> None:
    """Its place in the message shows the variable, unless it looks like a value."""
    (missing,) = recognise(text.replace("NAME", "OPENAI_API_KEY"))
    assert missing.names == (("variable", "OPENAI_API_KEY"),)
    (value,) = recognise(text.replace("NAME", f"AKIA{secrets.token_hex(8).upper()}"))
    assert value.names == ()


def test_neighbours_keep_their_names() -> None:
    """An event is not given the names of the one beside it."""
    page = "(service api) rolling back to deployment ecs-svc/11111111.\n(service web) has reached a steady state."
    assert [each.names for each in recognise(page)] == [
        (("service", "api"), ("deployment", "ecs-svc/11111111")),
        (("service", "web"),),
    ]


def test_half_a_key_is_not_shown() -> None:
    """A key that the terminal's edge cuts in two is left out, and one that ends a line is kept."""
    text = MISSING
    width = len(text) // 4 - 1
    cut = "\n".join(text[at : at + width] for at in range(0, len(text), width))
    assert [each.names for each in recognise(cut)] == [()]
    (twice,) = recognise(f"{text}\n2026-11-24 03:00 {text.replace('OPENAI', 'GEMINI')}\n")
    assert twice.names == (("key", "OPENAI_API_KEY"), ("key", "GEMINI_API_KEY"))


@pytest.mark.parametrize("text", [text for _, text in TEXTS])
def test_nothing_else_of_the_text_is_repeated(text: str) -> None:
    """Values before, behind and inside a text are in no part of its meaning."""
    values = [secrets.token_urlsafe(24) for _ in range(3)] + ["Tr0ub4dor&3", secrets.token_hex(16)]
    page = f"PASSWORD={values[0]}\n{values[1]} {text} {values[2]}\n{values[3]}\ninput_value={{'K': '{values[4]}'}}"
    assert [value for value in values if value in repr(recognise(page))] == []


def test_the_callers_own_refusal_is_not_the_tasks() -> None:
    """The principal shows who is refused: a session that ECS began for a task is called by the task's id."""
    (tasks,), (callers,) = recognise(REFUSED), recognise(REFUSED.replace(TASK, "jane@example.com"))
    assert tasks.checks[0] == "no-permission" and callers.checks == ()
    assert "yours" in callers.meaning and "yours" not in tasks.meaning
    user = "User: arn:aws:iam::123456789012:user/jane is not authorized to perform: iam:GetRolePolicy"
    (callers,) = recognise(f"An error occurred (AccessDenied) when calling the GetRolePolicy operation: {user}")
    assert "yours" in callers.meaning


def test_a_refusal_that_names_no_secret_is_of_the_roles_account() -> None:
    """Only an owner that is named can be another one."""
    (message,) = recognise(REFUSED.replace(f" on resource: {SECRET}", ""))
    assert message.checks[0] == "no-permission"


def test_a_line_that_no_terminal_has_goes_on_in_no_other() -> None:
    """It was not broken at the right edge."""
    assert flatten(f"{'x' * 300}\nfoo").flat == f"{'x' * 300}\nfoo"


@pytest.mark.parametrize(
    "text",
    [
        f"{RETRIED}did not contain json key VALUE",
        PULL.replace("secret from asm", "secrets from ssm") + "invalid ssm parameters: VALUE",
        "Incorrect API key provided: VALUE",
        'could not translate host name "VALUE@db" to address',
        "The VALUE environment variable is missing or empty",
        "Environment variable not found: VALUE",
        'The "VALUE" variable is not set. Defaulting to a blank string.',
        "1 validation error for Settings\nPORT\n  Input should be a valid integer [input_value='VALUE', input_type",
        f'password authentication failed for user "VALUE" (service VALUE {TASK})',
        "An error occurred (VALUE) when calling the GetSecretValue operation: Rate exceeded",
    ],
)
def test_values_in_a_names_place_are_not_repeated(text: str) -> None:
    """What stands where a key, a user or a host belongs and may be a value is not shown."""
    value = f"sk-{secrets.token_urlsafe(9)}x"
    messages = recognise(text.replace("VALUE", value))
    assert messages and value not in repr(messages)


@pytest.mark.long
@pytest.mark.parametrize(
    "piece",
    [
        *("a", " \n", "\\", "<b ", "&#39;", "/a", "invalid character ", "is not authorized to perform: "),
        *("ResourceInitializationError ", "(service a) json key A ", REFUSED, f"{MISSING}\n"),
    ],
)
def test_a_large_paste_is_soon_read(piece: str) -> None:
    """A megabyte takes a fraction of a second of the processor, whatever it repeats, and on a slow one some more."""
    text = f"arn:aws:iam::123456789012:role{piece * (1_000_000 // len(piece))}"
    begun = time.process_time()
    recognise(text)
    assert time.process_time() - begun < 5


def messages_of(module: ModuleType, *calls: str) -> Iterator[str]:
    """The messages that a module of the sandbox gives to functions of these names, blanks filled in."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in calls:
            yield from (text for text in (_text(module, part) for part in node.args) if " " in text)
        elif isinstance(node, ast.Assign) and "reason" in ast.unparse(node.targets[0]):
            yield from filter(None, [_text(module, node.value)])


def _text(module: ModuleType, node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        return str(getattr(module, node.id, "7"))
    if isinstance(node, ast.FormattedValue):
        return _text(module, node.value)
    return "".join(_text(module, part) for part in node.values) if isinstance(node, ast.JoinedStr) else "7"


@pytest.mark.parametrize(
    "text",
    sorted(
        {
            *messages_of(injection, "PullFailed"),
            *(f"(service api) {text}" for text in messages_of(services, "add_event")),
            *(f"(service api) {text}" for text in messages_of(scheduler, "add_event")),
            *(text for text in messages_of(kms, "JsonRESTError") if "encrypt" not in text),
            *(f"can't find the specified secret value for {text}" for text in messages_of(secretsmanager, "_no_value")),
            secretsmanager._DELETED,
        }
        - {"", "7", "(service api) 7"}
    ),
)
def test_the_sandboxs_own_words_are_recognised(text: str) -> None:
    """Whatever the sandbox's ECS writes into events, stopped reasons and refusals means something."""
    assert recognise(text)


def statement(effect: str, **more: str) -> PolicyDocument:
    """A policy with one statement on everything, for or against."""
    body = {"Effect": effect, "Action": "*", "Resource": "*", **more}
    return PolicyDocument("one", "managed", {"Version": "2012-10-17", "Statement": [body]})


@pytest.mark.parametrize(
    ("check", "own", "boundary", "above", "on_secret"),
    [
        ("no-permission", (), None, (), ""),
        ("identity-deny", ("Deny",), None, (), ""),
        ("resource-deny", ("Allow",), None, (), "Deny"),
        ("boundary", ("Allow",), "Deny", (), ""),
        ("scp", ("Allow",), None, ("Deny",), ""),
    ],
)
def test_the_sandboxs_refusals_are_told_apart(
    check: str, own: tuple[str, ...], boundary: str | None, above: tuple[str, ...], on_secret: str
) -> None:
    """A refusal in the words that the sandbox takes from AWS points at the kind of policy that refused."""
    principal = Principal(
        arn=f"arn:aws:sts::123456789012:assumed-role/{ROLE}/{TASK}",
        identity_arn=f"arn:aws:iam::123456789012:role/{ROLE}",
        account="123456789012",
        kind="role",
        name=ROLE,
        session=TASK,
        policies=tuple(map(statement, own)),
        boundary=statement(boundary) if boundary else None,
        scps=tuple(map(statement, above)),
    )
    guard = json.dumps(statement(on_secret, Principal="*").document) if on_secret else None
    words = refusal(principal, "secretsmanager:GetSecretValue", SECRET, {}, guard)
    assert words and firsts(api("AccessDeniedException", words)) == [check]


@pytest.mark.parametrize(
    ("check", "settings"),
    [
        ("url-chars", {"POSTGRES_PASSWORD": "a/b@c"}),
        ("store-only", {"POSTGRES_PASSWORD": "abc", "OMC_APP_DATABASE_ACCEPTS": "0" * 64}),
        ("changethis", {"POSTGRES_PASSWORD": "changethis", "ENVIRONMENT": "staging"}),
        ("name-mismatch", {}),
    ],
)
def test_the_applications_own_words_are_recognised(
    check: str, settings: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the example application logs before it gives up points at the fault, and none of its values is kept."""
    variables = (
        {"OPENAI_API_KEY": "abc", **settings, "OMC_APP_ROLE": "worker"} if settings else {"OMC_APP_ROLE": "worker"}
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        assert application.main([], variables) == 3
    assert check in firsts(capsys.readouterr().out)
