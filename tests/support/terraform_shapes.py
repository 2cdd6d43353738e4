"""Checkouts whose Terraform has other shapes than the platform's, as projects in the wild have them."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.files import write_files
from support.platform_checkout import Platform, make_platform

ARN = "${module.secrets.arn}"
KEYS = ("SECRET_KEY", "POSTGRES_PASSWORD", "OPENAI_API_KEY", "FIRST_SUPERUSER", "FIRST_SUPERUSER_PASSWORD")

SERVICE = """\
variable "name" {
  type = string
}

variable "image" {
  type = string
}

variable "environment" {
  type    = map(string)
  default = {}
}

variable "secret_vars" {
  description = "Variables of the container, each with its valueFrom"
  type        = map(string)
  default     = {}
}

resource "aws_ecs_task_definition" "this" {
  family = var.name

  container_definitions = jsonencode([
    merge(local.defaults, {
      name        = var.name
      image       = var.image
      environment = [for k, v in var.environment : { name = k, value = v }]
      secrets     = [for name, arn in var.secret_vars : { name = name, valueFrom = arn }]
    })
  ])
}

locals {
  defaults = {
    essential = true
  }
}
"""

CALLER = """\
module "secrets" {
  source = "../../modules/secrets"
  name   = "@NAME@"
}

module "backend" {
  source = "../../modules/service"
  name   = "backend"
  image  = "ghcr.io/acme/backend"

  environment = {
    LOG_LEVEL = "INFO"
  }

  secret_vars = {
@REFERENCES@
  }
}

module "worker" {
  source      = "../../modules/service"
  name        = "worker"
  image       = "ghcr.io/acme/backend"
  secret_vars = { SECRET_KEY = "${module.secrets.arn}:SECRET_KEY::" }
}
"""

SECRETS = """\
variable "name" {
  type = string
}

locals {
  keys = [@QUOTED@]
}

resource "aws_secretsmanager_secret" "app" {
  name = var.name
}

resource "aws_secretsmanager_secret_version" "app" {
  secret_id = aws_secretsmanager_secret.app.id

  secret_string = jsonencode({
@PLACEHOLDERS@
  })

  lifecycle {
    ignore_changes = [secret_string]
  }
}

output "arn" {
  value = aws_secretsmanager_secret.app.arn
}
"""

APPLY = """\
name: Infrastructure
on:
  push:
    branches: [main]
    paths: ["terraform/**"]
jobs:
  staging:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: terraform init && terraform apply -auto-approve
        working-directory: terraform/live/staging
"""

COMPOSE = """\
services:
  backend:
    build: backend
    environment:
      - SECRET_KEY=${SECRET_KEY}
      - POSTGRES_PASSWORD=${POSTGRES_PASSWORD}
"""


def live_folders(root: Path) -> Platform:
    """A folder for each environment that calls a module twice, with a map of references for each container."""
    width = max(map(len, KEYS))
    references = "\n".join(f'    {key:{width}} = "{ARN}:{key}::"' for key in KEYS)
    placeholders = "\n".join(f'    {key:{width}} = "change-me"' for key in KEYS)
    caller = CALLER.replace("@REFERENCES@", references)
    quoted = ", ".join(f'"{key}"' for key in KEYS)
    return _make(
        root,
        {
            "terraform/modules/service/main.tf": SERVICE,
            "terraform/modules/secrets/main.tf": SECRETS.replace("@PLACEHOLDERS@", placeholders).replace(
                "@QUOTED@", quoted
            ),
            "terraform/live/staging/main.tf": caller.replace("@NAME@", "ohmycoins-staging-app-secrets"),
            "terraform/live/prod/main.tf": caller.replace("@NAME@", "ohmycoins-prod-app-secrets"),
            "terraform/live/sandbox/main.tf": caller.replace("@NAME@", "ohmycoins-sandbox-app-secrets"),
            ".github/workflows/infrastructure.yml": APPLY,
            "docker-compose.deploy.yml": COMPOSE,
        },
    )


ONE_ROOT = """\
provider "aws" {
  region = "ap-southeast-2"
}

variable "environment" {
  type = string
}

variable "secret_keys" {
  type = list(string)
}

locals {
  containers = {
    backend = { port = 8000, keys = concat(local.common, var.secret_keys) }
    worker  = { port = 9000, keys = local.common }
  }
  common = ["SECRET_KEY"]
}

resource "aws_secretsmanager_secret_version" "app" {
  secret_id     = aws_secretsmanager_secret.app.id
  secret_string = jsonencode({ for key in concat(local.common, var.secret_keys) : key => "change-me" })
}

resource "aws_ecs_task_definition" "this" {
  for_each = local.containers
  family   = "${var.environment}-${each.key}"

  container_definitions = jsonencode([{
    name         = each.key
    image        = "ghcr.io/acme/backend"
    portMappings = [{ containerPort = each.value.port }]
    secrets = [
      for key in each.value.keys : {
        name      = key
        valueFrom = "${aws_secretsmanager_secret.app.arn}:${key}::"
      }
    ]
  }])
}
"""


def one_root(root: Path) -> Platform:
    """One root with a .tfvars for each environment, services in a map, and GitLab's pipeline."""
    values = "secret_keys = [\n" + "".join(f'  "{key}",\n' for key in KEYS[1:]) + "]\n"
    return _make(
        root,
        {
            "infra/main.tf": ONE_ROOT,
            "infra/vars/staging.tfvars": f'environment = "staging"\n{values}',
            "infra/vars/production.tfvars": f'environment = "production"\n{values}',
            ".gitlab-ci.yml": "apply:\n  script:\n    - cd infra && terraform apply -var-file=vars/staging.tfvars\n",
        },
    )


COMMUNITY = """\
locals {
  base_secrets = [
    for key in ["SECRET_KEY", "POSTGRES_PASSWORD"] : {
      name      = key
      valueFrom = "${data.aws_secretsmanager_secret.app.arn}:${key}::"
    }
  ]
}

data "aws_secretsmanager_secret" "app" {
  name = "ohmycoins-${terraform.workspace}-app-secrets"
}

module "ecs" {
  source  = "terraform-aws-modules/ecs/aws"
  version = "~> 5.12"

  cluster_name = "ohmycoins-${terraform.workspace}"

  services = {
    api = {
      cpu    = 1024
      memory = 2048

      container_definitions = {
        backend = {
          image     = "ghcr.io/acme/backend"
          essential = true
          environment = [
            { name = "LOG_LEVEL", value = "INFO" }
          ]
          secrets = concat(local.base_secrets, [
            { name = "OPENAI_API_KEY", valueFrom = "${data.aws_secretsmanager_secret.app.arn}:OPENAI_API_KEY::" },
            { name = "FIRST_SUPERUSER", valueFrom = "${data.aws_secretsmanager_secret.app.arn}:FIRST_SUPERUSER::" },
          ])
        }
      }
    }
  }
}
"""

RELEASE = """\
name: Release
on:
  push:
    branches: [main]
env:
  POSTGRES_PASSWORD: ${{ secrets.POSTGRES_PASSWORD }}
  OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}
jobs:
  release:
    runs-on: ubuntu-latest
    steps:
      - run: make release
"""


def community_module(root: Path) -> Platform:
    """A module from the registry with its containers in a map, workspaces, and a release by a Makefile."""
    return _make(
        root,
        {
            "infrastructure/main.tf": COMMUNITY,
            ".github/workflows/release.yml": RELEASE,
            "Makefile": "release:\n\tdocker build backend\n\taws ecs update-service --service backend --cluster c\n",
        },
    )


TASK = """\
{
  "family": "ohmycoins-staging-backend",
  "containerDefinitions": [
    {
      "name": "backend",
      "image": "backend",
      "secrets": [
        {
          "name": "SECRET_KEY",
          "valueFrom": "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:app-AbCdEf:SECRET_KEY::"
        }
      ]
    }
  ]
}
"""

DEPLOY = """\
on:
  push:
    branches: [main]
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: aws-actions/amazon-ecs-deploy-task-definition@v2
        with:
          task-definition: .aws/task-definition.json
"""


def json_definition(root: Path) -> Platform:
    """A task definition in JSON that a workflow deploys; Terraform has only the cluster."""
    return _make(
        root,
        {
            "infra/main.tf": 'resource "aws_ecs_cluster" "main" {\n  name = "ohmycoins-staging"\n}\n',
            ".aws/task-definition.json": TASK,
            ".github/workflows/deploy.yml": DEPLOY,
        },
    )


def _make(root: Path, files: dict[str, str]) -> Platform:
    """The platform's application with another infrastructure."""
    platform = make_platform(root)
    shutil.rmtree(platform.root / "infrastructure")
    write_files(platform.root, files)
    platform.commit()
    return platform
