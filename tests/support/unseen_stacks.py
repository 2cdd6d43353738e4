"""Five Terraform checkouts of different shapes, and the names that an engineer reads from each by hand.

They were written from Terraform's and Terragrunt's documentation alone, before anybody looked at how `init` reads a
checkout: what `init` finds in them is a measure of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

from support.files import write_files


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A checkout's Terraform files, and what they say to who reads them well."""

    files: Mapping[str, str]
    names: Mapping[str, Mapping[str, str]]
    """The name of each field, by environment."""
    unknown: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The fields whose name no file says, by environment, with a word of the reason."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Members of the secret's JSON by the variable that they fill, where the two differ."""

    def write(self, root: Path, replacements: Mapping[str, str] | None = None) -> Path:
        """Write the files below `root`, with some texts replaced, and return it."""
        files = dict(self.files)
        for old, new in (replacements or {}).items():
            files = {name: text.replace(old, new) for name, text in files.items()}
        return write_files(root, {name: dedent(text).lstrip("\n") for name, text in files.items()})


# --- Accounts: a folder each environment, a label module, services by for_each, a guard on the account -------------

_ACCOUNT_ROOT = """
    terraform {
      required_version = ">= 1.6"

      backend "s3" {
        bucket = "ohmycoins-terraform"
        key    = "FOLDER/terraform.tfstate"
        region = "us-east-1"
      }
    }

    provider "aws" {
      region              = local.region
      allowed_account_ids = [local.account_id]

      assume_role {
        role_arn     = "arn:aws:iam::${local.account_id}:role/terraform-deploy"
        session_name = "terraform"
      }
    }

    # CloudFront's certificates live in Virginia
    provider "aws" {
      alias               = "virginia"
      region              = "us-east-1"
      allowed_account_ids = [local.account_id]
    }

    locals {
      account_id = "ACCOUNT"
      region     = "eu-west-1"
    }

    module "label" {
      source = "../../modules/label"

      namespace = "OhMyCoins"
      stage     = "STAGE"
    }

    module "secrets" {
      source = "../../modules/secrets"

      name = module.label.id
      # what integrations need, in addition to the generated ones
      external_keys = ["openai-key", "smtp-password"]
    }

    module "platform" {
      source = "../../modules/platform"

      name        = module.label.id
      environment = "FOLDER"
      secret_arn  = module.secrets.app_secret_arn
      services = {
        backend  = { cpu = 512, memory = 1024, port = 8000, desired_count = DESIRED }
        frontend = { cpu = 256, memory = 512, port = 80, desired_count = DESIRED }
      }
      tags = module.label.tags
    }

    output "ecs_cluster_name" {
      value = module.platform.cluster_name
    }

    output "backend_service_name" {
      value = module.platform.service_names["backend"]
    }

    output "secrets_manager_secret_arn" {
      value = module.secrets.app_secret_arn
    }
"""


def _account_root(folder: str, stage: str, account: str, desired: int) -> str:
    text = _ACCOUNT_ROOT.replace("FOLDER", folder).replace("STAGE", stage)
    return text.replace("ACCOUNT", account).replace("DESIRED", str(desired))


ACCOUNTS = Stack(
    files={
        "infra/environments/staging/main.tf": _account_root("staging", "staging", "210987654321", 1),
        "infra/environments/production/main.tf": _account_root("production", "prod", "345678901234", 2),
        "infra/modules/label/main.tf": """
            variable "namespace" {
              type = string
            }

            variable "stage" {
              type = string
            }

            variable "attributes" {
              type    = list(string)
              default = []
            }

            variable "delimiter" {
              type    = string
              default = "-"
            }

            locals {
              id = lower(join(var.delimiter, compact(concat([var.namespace, var.stage], var.attributes))))
            }

            output "id" {
              value = local.id
            }

            output "tags" {
              value = { Project = lower(var.namespace), Environment = var.stage, ManagedBy = "terraform" }
            }
        """,
        "infra/modules/secrets/main.tf": """
            variable "name" {
              type = string
            }

            variable "external_keys" {
              type    = list(string)
              default = []
            }

            resource "aws_secretsmanager_secret" "app" {
              name                    = format("%s/app-config", var.name)
              description             = "Configuration of the application"
              recovery_window_in_days = 7
            }

            resource "aws_secretsmanager_secret" "datadog" {
              name = format("%s/datadog", var.name)
            }

            resource "aws_secretsmanager_secret_version" "app" {
              secret_id     = aws_secretsmanager_secret.app.id
              secret_string = jsonencode({ for key in var.external_keys : key => "set-by-hand" })

              lifecycle {
                ignore_changes = [secret_string]
              }
            }

            output "app_secret_arn" {
              value = aws_secretsmanager_secret.app.arn
            }
        """,
        "infra/modules/platform/variables.tf": """
            variable "name" {
              type = string
            }

            variable "environment" {
              type = string
            }

            variable "secret_arn" {
              type = string
            }

            variable "services" {
              type = map(object({
                cpu           = number
                memory        = number
                port          = number
                desired_count = optional(number, 1)
              }))
            }

            variable "tags" {
              type    = map(string)
              default = {}
            }
        """,
        "infra/modules/platform/iam.tf": """
            data "aws_iam_policy_document" "assume" {
              statement {
                actions = ["sts:AssumeRole"]
                principals {
                  type        = "Service"
                  identifiers = ["ecs-tasks.amazonaws.com"]
                }
              }
            }

            resource "aws_iam_role" "execution" {
              name               = "${var.name}-ecs-exec"
              assume_role_policy = data.aws_iam_policy_document.assume.json
            }

            resource "aws_iam_role_policy_attachment" "managed" {
              role       = aws_iam_role.execution.name
              policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
            }

            data "aws_iam_policy_document" "read_secret" {
              statement {
                actions   = ["secretsmanager:GetSecretValue"]
                resources = [var.secret_arn]
              }
            }

            resource "aws_iam_role_policy" "read_secret" {
              name   = "${var.name}-read-app-config"
              role   = aws_iam_role.execution.id
              policy = data.aws_iam_policy_document.read_secret.json
            }

            resource "aws_iam_role" "task" {
              for_each = var.services

              name               = "${var.name}-${each.key}-task"
              assume_role_policy = data.aws_iam_policy_document.assume.json
            }
        """,
        "infra/modules/platform/main.tf": """
            resource "aws_ecs_cluster" "this" {
              name = "${var.name}-cluster"
              tags = var.tags

              setting {
                name  = "containerInsights"
                value = "enabled"
              }
            }

            locals {
              secrets = {
                backend = {
                  OPENAI_API_KEY    = "openai-key"
                  SMTP_PASSWORD     = "smtp-password"
                  SECRET_KEY        = "SECRET_KEY"
                  POSTGRES_PASSWORD = "POSTGRES_PASSWORD"
                }
                frontend = {}
              }
            }

            resource "aws_ecs_task_definition" "service" {
              for_each = var.services

              family                   = "${var.name}-${each.key}"
              requires_compatibilities = ["FARGATE"]
              network_mode             = "awsvpc"
              cpu                      = each.value.cpu
              memory                   = each.value.memory
              execution_role_arn       = aws_iam_role.execution.arn
              task_role_arn            = aws_iam_role.task[each.key].arn

              container_definitions = jsonencode([
                {
                  name         = each.key
                  image        = "ghcr.io/ohmycoins/${each.key}:latest"
                  essential    = true
                  portMappings = [{ containerPort = each.value.port }]
                  environment = [
                    { name = "ENVIRONMENT", value = var.environment },
                    { name = "PROJECT_NAME", value = "OhMyCoins" },
                  ]
                  secrets = [
                    for variable, key in local.secrets[each.key] : {
                      name      = variable
                      valueFrom = "${var.secret_arn}:${key}::"
                    }
                  ]
                }
              ])
            }

            resource "aws_ecs_service" "service" {
              for_each = var.services

              name            = "${var.name}-${each.key}-svc"
              cluster         = aws_ecs_cluster.this.id
              task_definition = aws_ecs_task_definition.service[each.key].arn
              desired_count   = each.value.desired_count
              launch_type     = "FARGATE"
            }
        """,
        "infra/modules/platform/outputs.tf": """
            output "cluster_name" {
              value = aws_ecs_cluster.this.name
            }

            output "service_names" {
              value = { for key, service in aws_ecs_service.service : key => service.name }
            }
        """,
    },
    names={
        environment: {
            "account_id": account,
            "region": "eu-west-1",
            "prefix": prefix,
            "cluster": f"{prefix}-cluster",
            "service": f"{prefix}-backend-svc",
            "task_family": f"{prefix}-backend",
            "execution_role": f"{prefix}-ecs-exec",
            "task_role": f"{prefix}-backend-task",
            "execution_policy": f"{prefix}-read-app-config",
            "secret": f"{prefix}/app-config",
        }
        for environment, account, prefix in (
            ("staging", "210987654321", "ohmycoins-staging"),
            ("production", "345678901234", "ohmycoins-prod"),
        )
    },
    keys={"OPENAI_API_KEY": "openai-key", "SMTP_PASSWORD": "smtp-password"},
)


# --- Workspaces: one root, maps by terraform.workspace, optional services by count -----------------------------------

WORKSPACES = Stack(
    files={
        "deploy/backend.tf": """
            terraform {
              backend "s3" {
                bucket               = "omc-state"
                key                  = "app.tfstate"
                region               = "ap-southeast-2"
                workspace_key_prefix = "env"
              }
            }
        """,
        "deploy/locals.tf": """
            locals {
              defaults = {
                region        = "ap-southeast-2"
                short         = terraform.workspace
                backend_count = 1
                worker        = false
              }

              overrides = {
                staging = {
                  account = "111111111111"
                }
                production = {
                  account       = "222222222222"
                  region        = "ap-southeast-1"
                  short         = "prod"
                  backend_count = 3
                  worker        = true
                }
              }

              env    = merge(local.defaults, local.overrides[terraform.workspace])
              prefix = "omc-${local.env.short}"

              secrets = [
                { variable = "SECRET_KEY" },
                { variable = "POSTGRES_PASSWORD", key = "db.password" },
                { variable = "FIRST_SUPERUSER_PASSWORD", key = "admin.password" },
                { variable = "OPENAI_API_KEY" },
              ]

              common_environment = [
                for name, value in {
                  ENVIRONMENT     = terraform.workspace
                  POSTGRES_SERVER = "db.${local.prefix}.internal"
                  } : {
                  name  = name
                  value = value
                }
              ]
            }
        """,
        "deploy/providers.tf": """
            provider "aws" {
              region = local.env.region

              assume_role {
                role_arn = format("arn:aws:iam::%s:role/ci", local.env.account)
              }
            }
        """,
        "deploy/iam.tf": """
            resource "aws_iam_role" "this" {
              for_each = toset(["execution", "task"])

              name = "${title(local.prefix)}${title(each.value)}"
              assume_role_policy = jsonencode({
                Version = "2012-10-17"
                Statement = [{
                  Effect    = "Allow"
                  Action    = "sts:AssumeRole"
                  Principal = { Service = "ecs-tasks.amazonaws.com" }
                }]
              })
            }

            resource "aws_iam_policy" "logs" {
              name = "${local.prefix}-logs"
              policy = jsonencode({
                Version   = "2012-10-17"
                Statement = [{ Effect = "Allow", Action = ["logs:PutLogEvents"], Resource = "*" }]
              })
            }

            resource "aws_iam_policy" "secrets" {
              name = "${local.prefix}-secrets"
              policy = jsonencode({
                Version = "2012-10-17"
                Statement = [{
                  Effect   = "Allow"
                  Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
                  Resource = aws_secretsmanager_secret.this["app"].arn
                }]
              })
            }

            resource "aws_iam_role_policy_attachment" "execution" {
              for_each = {
                logs    = aws_iam_policy.logs.arn
                secrets = aws_iam_policy.secrets.arn
              }

              role       = aws_iam_role.this["execution"].name
              policy_arn = each.value
            }
        """,
        "deploy/main.tf": """
            resource "aws_secretsmanager_secret" "this" {
              for_each = { app = "application", tls = "certificates" }

              name = join("/", ["omc", terraform.workspace, each.value])
            }

            resource "aws_ecs_cluster" "main" {
              name = upper(replace(local.prefix, "-", "_"))
            }

            resource "aws_ecs_task_definition" "backend" {
              family             = "${local.prefix}-api"
              execution_role_arn = aws_iam_role.this["execution"].arn
              task_role_arn      = aws_iam_role.this["task"].arn

              container_definitions = jsonencode([
                merge(local.container, { name = "api", command = ["fastapi", "run"] }),
              ])
            }

            resource "aws_ecs_task_definition" "worker" {
              count = local.env.worker ? 1 : 0

              family             = "${local.prefix}-worker"
              execution_role_arn = aws_iam_role.this["execution"].arn
              task_role_arn      = aws_iam_role.this["task"].arn

              container_definitions = jsonencode([
                merge(local.container, { name = "worker", command = ["celery", "worker"] }),
              ])
            }

            locals {
              container = {
                image       = "omc/backend:latest"
                essential   = true
                environment = local.common_environment
                secrets = [
                  for secret in local.secrets : {
                    name = secret.variable
                    valueFrom = join(":", [
                      aws_secretsmanager_secret.this["app"].arn,
                      lookup(secret, "key", secret.variable),
                      "",
                      "",
                    ])
                  }
                ]
              }
            }

            resource "aws_ecs_service" "backend" {
              name            = "api"
              cluster         = aws_ecs_cluster.main.arn
              task_definition = aws_ecs_task_definition.backend.arn
              desired_count   = local.env.backend_count
            }

            resource "aws_ecs_service" "worker" {
              count = local.env.worker ? 1 : 0

              name            = "worker"
              cluster         = aws_ecs_cluster.main.arn
              task_definition = one(aws_ecs_task_definition.worker[*].arn)
              desired_count   = 1
            }
        """,
    },
    names={
        "staging": {
            "account_id": "111111111111",
            "region": "ap-southeast-2",
            "prefix": "omc-staging",
            "cluster": "OMC_STAGING",
            "service": "api",
            "task_family": "omc-staging-api",
            "execution_role": "Omc-StagingExecution",
            "task_role": "Omc-StagingTask",
            "execution_policy": "omc-staging-secrets",
            "secret": "omc/staging/application",
        },
        "production": {
            "account_id": "222222222222",
            "region": "ap-southeast-1",
            "prefix": "omc-prod",
            "cluster": "OMC_PROD",
            "service": "api",
            "task_family": "omc-prod-api",
            "execution_role": "Omc-ProdExecution",
            "task_role": "Omc-ProdTask",
            "execution_policy": "omc-prod-secrets",
            "secret": "omc/production/application",
        },
    },
    keys={"POSTGRES_PASSWORD": "db.password", "FIRST_SUPERUSER_PASSWORD": "admin.password"},
)


# --- Terragrunt: a unit each component, its inputs from files above it, the secret from another unit ----------------

_APP_UNIT = """
    include "root" {
      path   = find_in_parent_folders("root.hcl")
      expose = true
    }

    locals {
      environment = read_terragrunt_config(find_in_parent_folders("env.hcl"))
      stage       = local.environment.locals.stage
    }

    terraform {
      source = "../../../modules//app"
    }

    dependency "secret" {
      config_path = "../secret"

      mock_outputs = {
        arn  = "arn:aws:secretsmanager:ap-southeast-2:000000000000:secret:mock"
        name = "mock"
      }
    }

    inputs = {
      name          = "ohmycoins-${local.stage}"
      environment   = local.environment.locals.name
      secret_arn    = dependency.secret.outputs.arn
      desired_count = local.environment.locals.desired_count
      secret_keys = {
        SECRET_KEY        = "SECRET_KEY"
        POSTGRES_PASSWORD = "POSTGRES_PASSWORD"
        SENTRY_DSN        = "sentryDsn"
      }
    }
"""

_SECRET_UNIT = """
    include "root" {
      path = find_in_parent_folders("root.hcl")
    }

    locals {
      environment = read_terragrunt_config(find_in_parent_folders("env.hcl"))
    }

    terraform {
      source = "${get_repo_root()}/infra/modules//secret"
    }

    inputs = {
      name = "ohmycoins-${local.environment.locals.stage}-settings"
    }
"""

TERRAGRUNT = Stack(
    files={
        "infra/live/root.hcl": """
            locals {
              environment = read_terragrunt_config(find_in_parent_folders("env.hcl"))
              account_id  = local.environment.locals.account_id
              region      = local.environment.locals.region
            }

            remote_state {
              backend = "s3"
              generate = {
                path      = "backend.tf"
                if_exists = "overwrite_terragrunt"
              }
              config = {
                bucket = "ohmycoins-tfstate-${local.account_id}"
                key    = "${path_relative_to_include()}/terraform.tfstate"
                region = "ap-southeast-2"
              }
            }

            generate "provider" {
              path      = "provider.tf"
              if_exists = "overwrite_terragrunt"
              contents  = <<-EOT
                provider "aws" {
                  region              = "${local.region}"
                  allowed_account_ids = ["${local.account_id}"]
                }
              EOT
            }

            inputs = {
              region = local.region
            }
        """,
        "infra/live/staging/env.hcl": """
            locals {
              name          = "staging"
              stage         = "staging"
              account_id    = "444455556666"
              region        = "ap-southeast-2"
              desired_count = 1
            }
        """,
        "infra/live/production/env.hcl": """
            locals {
              name          = "production"
              stage         = "prod"
              account_id    = "777788889999"
              region        = "ap-southeast-2"
              desired_count = 2
            }
        """,
        "infra/live/staging/app/terragrunt.hcl": _APP_UNIT,
        "infra/live/staging/secret/terragrunt.hcl": _SECRET_UNIT,
        "infra/live/production/app/terragrunt.hcl": _APP_UNIT,
        "infra/live/production/secret/terragrunt.hcl": _SECRET_UNIT,
        "infra/modules/secret/main.tf": """
            variable "name" {
              type = string
            }

            variable "region" {
              type = string
            }

            resource "aws_secretsmanager_secret" "this" {
              name = var.name
            }

            output "arn" {
              value = aws_secretsmanager_secret.this.arn
            }

            output "name" {
              value = aws_secretsmanager_secret.this.name
            }
        """,
        "infra/modules/app/variables.tf": """
            variable "name" {
              type = string
            }

            variable "environment" {
              type = string
            }

            variable "region" {
              type = string
            }

            variable "secret_arn" {
              type = string
            }

            variable "desired_count" {
              type = number
            }

            variable "secret_keys" {
              type = map(string)
            }
        """,
        "infra/modules/app/main.tf": """
            data "aws_caller_identity" "current" {}

            locals {
              roles = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:role/ecs"
            }

            resource "aws_ecs_cluster" "this" {
              name = var.name
            }

            resource "aws_iam_role" "execution" {
              name               = "${var.name}-execution"
              path               = "/ecs/"
              assume_role_policy = file("${path.module}/assume.json")
            }

            resource "aws_iam_role" "task" {
              name               = "${var.name}-backend"
              path               = "/ecs/"
              assume_role_policy = file("${path.module}/assume.json")
            }

            resource "aws_iam_role_policy" "secret" {
              name = "secret"
              role = aws_iam_role.execution.name
              policy = jsonencode({
                Version = "2012-10-17"
                Statement = [
                  {
                    Effect   = "Allow"
                    Action   = "secretsmanager:GetSecretValue"
                    Resource = "${var.secret_arn}*"
                  },
                ]
              })
            }

            resource "aws_ecs_task_definition" "backend" {
              family             = "${var.name}-backend"
              execution_role_arn = "${local.roles}/${aws_iam_role.execution.name}"
              task_role_arn      = aws_iam_role.task.arn

              container_definitions = templatefile("${path.module}/containers.json.tftpl", {
                environment = var.environment
                region      = var.region
                secret_arn  = var.secret_arn
                secret_keys = var.secret_keys
              })
            }

            resource "aws_ecs_service" "backend" {
              name            = "backend"
              cluster         = aws_ecs_cluster.this.name
              task_definition = "${aws_ecs_task_definition.backend.family}:${aws_ecs_task_definition.backend.revision}"
              desired_count   = var.desired_count
            }
        """,
        "infra/modules/app/assume.json": """
            {
              "Version": "2012-10-17",
              "Statement": [
                {
                  "Effect": "Allow",
                  "Action": "sts:AssumeRole",
                  "Principal": {"Service": "ecs-tasks.amazonaws.com"}
                }
              ]
            }
        """,
        "infra/modules/app/containers.json.tftpl": """
            [
              {
                "name": "backend",
                "image": "ohmycoins/backend:latest",
                "essential": true,
                "environment": [
                  {"name": "ENVIRONMENT", "value": "${environment}"},
                  {"name": "AWS_REGION", "value": "${region}"}
                ],
                "secrets": ${jsonencode([for variable, key in secret_keys : {
                  name = variable, valueFrom = "${secret_arn}:${key}::"
                }])}
              }
            ]
        """,
    },
    names={
        environment: {
            "account_id": account,
            "region": "ap-southeast-2",
            "prefix": prefix,
            "cluster": prefix,
            "service": "backend",
            "task_family": f"{prefix}-backend",
            "execution_role": f"{prefix}-execution",
            "task_role": f"{prefix}-backend",
            "execution_policy": "secret",
            "secret": f"{prefix}-settings",
        }
        for environment, account, prefix in (
            ("staging", "444455556666", "ohmycoins-staging"),
            ("production", "777788889999", "ohmycoins-prod"),
        )
    },
    keys={"SENTRY_DSN": "sentryDsn"},
)


# --- Variable files and JSON: one root, NAME.tfvars, the names in tf.json, the secret of a bootstrap stack -----------

VARIABLE_FILES = Stack(
    files={
        "terraform/app/envs/staging.tfvars": """
            environment   = "staging"
            aws_region    = "ap-southeast-2"
            account_id    = "121212121212"
            desired_count = 0
        """,
        "terraform/app/envs/production.tfvars.json": """
            {
              "environment": "production",
              "aws_region": "ap-southeast-2",
              "account_id": "343434343434",
              "desired_count": 2,
              "name_prefix": "ohmycoins-prod"
            }
        """,
        "terraform/app/variables.tf": """
            variable "project" {
              type    = string
              default = "ohmycoins"
            }

            variable "environment" {
              type = string

              validation {
                condition     = contains(["staging", "production"], var.environment)
                error_message = "staging or production."
              }
            }

            variable "aws_region" {
              type = string
            }

            variable "account_id" {
              type = string
            }

            variable "desired_count" {
              type = number
            }

            variable "name_prefix" {
              type        = string
              default     = null
              description = "Set where the names are older than the convention."
            }
        """,
        "terraform/app/provider.tf": """
            provider "aws" {
              region              = var.aws_region
              allowed_account_ids = [var.account_id]
            }
        """,
        "terraform/app/names.tf.json": """
            {
              "locals": {
                "prefix": "${coalesce(var.name_prefix, join(\\"-\\", [var.project, var.environment]))}",
                "names": {
                  "cluster": "${local.prefix}-cluster",
                  "service": "${local.prefix}-backend",
                  "family": "${local.prefix}-backend-task",
                  "roles": {
                    "execution": "${local.prefix}-task-execution",
                    "task": "${local.prefix}-task"
                  }
                },
                "keys": {
                  "SECRET_KEY": "SECRET_KEY",
                  "POSTGRES_PASSWORD": "POSTGRES_PASSWORD",
                  "COINSPOT_API_KEY": "omc-coinspot-testkey"
                },
                "arn": "${data.aws_secretsmanager_secret.app.arn}",
                "containers": [
                  {
                    "name": "backend",
                    "image": "omc:1",
                    "environment": [{"name": "ENVIRONMENT", "value": "${var.environment}"}],
                    "secrets": "${[for k, v in local.keys : {name = k, valueFrom = \\"${local.arn}:${v}::\\"}]}"
                  }
                ],
                "policy": {
                  "Version": "2012-10-17",
                  "Statement": [
                    {
                      "Effect": "Allow",
                      "Action": "secretsmanager:GetSecretValue",
                      "Resource": "${local.arn}"
                    }
                  ]
                }
              }
            }
        """,
        "terraform/app/main.tf": """
            data "aws_secretsmanager_secret" "app" {
              name = "${var.project}/${var.environment}/backend"
            }

            resource "aws_ecs_cluster" "main" {
              name = local.names.cluster
            }

            resource "aws_ecs_service" "backend" {
              name            = local.names["service"]
              cluster         = aws_ecs_cluster.main.id
              task_definition = aws_ecs_task_definition.backend.arn
              desired_count   = var.desired_count
            }
        """,
        "terraform/app/task.tf.json": """
            {
              "resource": {
                "aws_ecs_task_definition": {
                  "backend": {
                    "family": "${local.names.family}",
                    "execution_role_arn": "${aws_iam_role.execution.arn}",
                    "task_role_arn": "${aws_iam_role.task.arn}",
                    "container_definitions": "${jsonencode(local.containers)}"
                  }
                },
                "aws_iam_role": {
                  "execution": {
                    "name": "${local.names.roles.execution}",
                    "assume_role_policy": "${file(\\"${path.module}/trust.json\\")}"
                  },
                  "task": {
                    "name": "${local.names.roles.task}",
                    "assume_role_policy": "${file(\\"${path.module}/trust.json\\")}"
                  }
                },
                "aws_iam_role_policy": {
                  "secret": {
                    "name": "read-secret",
                    "role": "${aws_iam_role.execution.id}",
                    "policy": "${jsonencode(local.policy)}"
                  }
                }
              }
            }
        """,
        "terraform/app/trust.json": """
            {
              "Version": "2012-10-17",
              "Statement": [
                {
                  "Effect": "Allow",
                  "Action": "sts:AssumeRole",
                  "Principal": {"Service": "ecs-tasks.amazonaws.com"}
                }
              ]
            }
        """,
        # Applied once by hand in each account; it has no cluster and no service
        "terraform/bootstrap/main.tf": """
            variable "environments" {
              type    = set(string)
              default = ["staging", "production"]
            }

            resource "aws_secretsmanager_secret" "backend" {
              for_each = var.environments

              name = "ohmycoins/${each.key}/backend"
            }
        """,
    },
    names={
        environment: {
            "account_id": account,
            "region": "ap-southeast-2",
            "prefix": prefix,
            "cluster": f"{prefix}-cluster",
            "service": f"{prefix}-backend",
            "task_family": f"{prefix}-backend-task",
            "execution_role": f"{prefix}-task-execution",
            "task_role": f"{prefix}-task",
            "execution_policy": "read-secret",
            "secret": f"ohmycoins/{environment}/backend",
        }
        for environment, account, prefix in (
            ("staging", "121212121212", "ohmycoins-staging"),
            ("production", "343434343434", "ohmycoins-prod"),
        )
    },
    keys={"COINSPOT_API_KEY": "omc-coinspot-testkey"},
)


# --- Layers: several roots, tied by remote state; some names are made by AWS or by another team ----------------------

_LAYER_TFVARS = 'environment = "NAME"\nregion      = "REGION"\n'

LAYERS = Stack(
    files={
        **{
            f"infrastructure/{layer}/env/{name}.tfvars": _LAYER_TFVARS.replace("NAME", name).replace("REGION", region)
            for layer in ("10-base", "20-service")
            for name, region in (("staging", "us-west-2"), ("production", "us-east-2"))
        },
        "infrastructure/10-base/main.tf": """
            variable "environment" {
              type = string
            }

            variable "region" {
              type = string
            }

            terraform {
              backend "s3" {
                bucket = "coins-tfstate"
                key    = "base.tfstate"
              }
            }

            provider "aws" {
              region = var.region
            }

            locals {
              long = { staging = "staging", production = "prod" }
              name = format("coins-%s", local.long[var.environment])
            }

            resource "aws_ecs_cluster" "shared" {
              name = local.name
            }

            # AWS completes the name
            resource "aws_iam_role" "execution" {
              name_prefix        = "${local.name}-exec-"
              assume_role_policy = data.aws_iam_policy_document.trust.json
            }

            resource "aws_iam_role" "app" {
              name               = "${local.name}-app"
              assume_role_policy = data.aws_iam_policy_document.trust.json
            }

            data "aws_iam_policy_document" "trust" {
              statement {
                actions = ["sts:AssumeRole"]
                principals {
                  type        = "Service"
                  identifiers = ["ecs-tasks.amazonaws.com"]
                }
              }
            }

            output "cluster" {
              value = {
                name = aws_ecs_cluster.shared.name
                arn  = aws_ecs_cluster.shared.arn
              }
            }

            output "execution_role_arn" {
              value = aws_iam_role.execution.arn
            }

            output "execution_role_name" {
              value = aws_iam_role.execution.name
            }

            output "task_role_arn" {
              value = aws_iam_role.app.arn
            }
        """,
        "infrastructure/20-service/main.tf": """
            variable "environment" {
              type = string
            }

            variable "region" {
              type = string
            }

            terraform {
              backend "s3" {
                bucket = "coins-tfstate"
                key    = "service.tfstate"
              }
            }

            provider "aws" {
              region = var.region
            }

            data "terraform_remote_state" "base" {
              backend   = "s3"
              workspace = var.environment
              config = {
                bucket = "coins-tfstate"
                key    = "base.tfstate"
                region = "us-east-2"
              }
            }

            # The security team's repository makes the secret
            data "terraform_remote_state" "security" {
              backend   = "s3"
              workspace = var.environment
              config = {
                bucket = "security-tfstate"
                key    = "secrets.tfstate"
                region = "us-east-2"
              }
            }

            locals {
              short      = var.environment == "production" ? "prod" : var.environment
              name       = "coins-${local.short}"
              secret_arn = data.terraform_remote_state.security.outputs.app_secret_arn
              keys = {
                SECRET_KEY   = "app_secret_key"
                DATABASE_URL = "DATABASE_URL"
              }
            }

            resource "aws_iam_policy" "secret" {
              name = "${local.name}-secret-read"
              policy = jsonencode({
                Version = "2012-10-17"
                Statement = [{
                  Effect   = "Allow"
                  Action   = ["secretsmanager:GetSecretValue"]
                  Resource = [local.secret_arn]
                }]
              })
            }

            resource "aws_iam_role_policy_attachment" "secret" {
              role       = data.terraform_remote_state.base.outputs.execution_role_name
              policy_arn = aws_iam_policy.secret.arn
            }

            module "backend" {
              source   = "./modules/service"
              for_each = toset(["backend"])

              name               = "${local.name}-${each.value}"
              cluster_arn        = data.terraform_remote_state.base.outputs.cluster.arn
              execution_role_arn = data.terraform_remote_state.base.outputs.execution_role_arn
              task_role_arn      = data.terraform_remote_state.base.outputs.task_role_arn
              environment        = { ENVIRONMENT = var.environment }
              secrets            = { for variable, key in local.keys : variable => "${local.secret_arn}:${key}::" }
            }
        """,
        "infrastructure/20-service/modules/service/main.tf": """
            variable "name" {
              type = string
            }

            variable "cluster_arn" {
              type = string
            }

            variable "execution_role_arn" {
              type = string
            }

            variable "task_role_arn" {
              type = string
            }

            variable "environment" {
              type = map(string)
            }

            variable "secrets" {
              type = map(string)
            }

            resource "aws_ecs_task_definition" "this" {
              family             = var.name
              execution_role_arn = var.execution_role_arn
              task_role_arn      = var.task_role_arn

              container_definitions = jsonencode([{
                name        = "app"
                image       = "coins/${var.name}:stable"
                essential   = true
                environment = [for name, value in var.environment : { name = name, value = value }]
                secrets     = [for name, reference in var.secrets : { name = name, valueFrom = reference }]
              }])
            }

            resource "aws_ecs_service" "this" {
              name            = "${var.name}-service"
              cluster         = var.cluster_arn
              task_definition = aws_ecs_task_definition.this.arn
              desired_count   = 1
            }
        """,
    },
    names={
        environment: {
            "region": region,
            "prefix": prefix,
            "cluster": prefix,
            "service": f"{prefix}-backend-service",
            "task_family": f"{prefix}-backend",
            "task_role": f"{prefix}-app",
            "execution_policy": f"{prefix}-secret-read",
        }
        for environment, region, prefix in (
            ("staging", "us-west-2", "coins-staging"),
            ("production", "us-east-2", "coins-prod"),
        )
    },
    unknown={
        environment: {"account_id": "AWS", "execution_role": "name_prefix", "secret": "app_secret_arn of another state"}
        for environment in ("staging", "production")
    },
    keys={"SECRET_KEY": "app_secret_key"},
)

STACKS = {
    "accounts": ACCOUNTS,
    "workspaces": WORKSPACES,
    "terragrunt": TERRAGRUNT,
    "variable-files": VARIABLE_FILES,
    "layers": LAYERS,
}
