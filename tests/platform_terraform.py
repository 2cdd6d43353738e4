"""The Terraform of a checkout of the platform, written by hand for tests."""

GUIDE = {
    name: name
    for name in (
        "SECRET_KEY",
        "POSTGRES_PASSWORD",
        "OPENAI_API_KEY",
        "FIRST_SUPERUSER",
        "FIRST_SUPERUSER_PASSWORD",
        "SMTP_HOST",
        "SMTP_USER",
        "SMTP_PASSWORD",
        "SENTRY_DSN",
    )
}
"""The key of each variable that the guide knows: the variable's own name."""

WILD = GUIDE | {
    "SMTP_USER": "SMTP_USERNAME",
    "SENTRY_DSN": "BACKEND_SENTRY_DSN",
    "REDIS_PASSWORD": "redis-auth-token",
    "CRYPTOPANIC_API_KEY": "omc-CryptoPanic-testkey",
}
"""Eleven variables, of which some have a key of another name."""

ECS = """\
locals {
  name = "${var.project}-${var.environment}"

  tags = merge(var.tags, {
    Module = "ecs"
  })
}

resource "aws_ecs_cluster" "main" {
  name = local.name

  setting {
    name  = "containerInsights"
    value = var.environment == "production" ? "enabled" : "disabled"
  }

  tags = local.tags
}

resource "aws_cloudwatch_log_group" "backend" {
  name              = "/ecs/${local.name}/backend"
  retention_in_days = var.log_retention_days
  tags              = local.tags
}

resource "aws_cloudwatch_log_group" "frontend" {
  name              = "/ecs/${local.name}/frontend"
  retention_in_days = var.log_retention_days
  tags              = local.tags
}

# Backend: the API and its collectors
resource "aws_ecs_task_definition" "backend" {
  family                   = "${local.name}-backend"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = var.backend_cpu
  memory                   = var.backend_memory
  execution_role_arn       = var.execution_role_arn
  task_role_arn            = var.task_role_arn

  container_definitions = jsonencode([
    {
      name      = "backend"
      image     = "${var.backend_image}:${var.image_tag}"
      essential = true

      portMappings = [
        {
          containerPort = 8000
          protocol      = "tcp"
        }
      ]

      environment = [
        {
          name  = "ENVIRONMENT"
          value = var.environment
        },
        {
          name  = "PROJECT_NAME"
          value = "Oh My Coins"
        },
        {
          name  = "DOMAIN"
          value = var.domain
        },
        {
          name  = "FRONTEND_HOST"
          value = "https://${var.domain}"
        },
        {
          name  = "BACKEND_CORS_ORIGINS"
          value = "https://${var.domain}"
        },
        {
          name  = "POSTGRES_SERVER"
          value = var.database_host
        },
        {
          name  = "POSTGRES_PORT"
          value = tostring(var.database_port)
        },
        {
          name  = "POSTGRES_DB"
          value = var.database_name
        },
        {
          name  = "POSTGRES_USER"
          value = var.database_user
        },
        {
          name  = "REDIS_HOST"
          value = var.redis_host
        },
        {
          name  = "LOG_LEVEL"
          value = "INFO"
        }
      ]

      # Injected by ECS when a task starts
      secrets = [
@SECRETS@
      ]

      logConfiguration = {
        logDriver = "awslogs"
        options = {
          "awslogs-group"         = aws_cloudwatch_log_group.backend.name
          "awslogs-region"        = var.region
          "awslogs-stream-prefix" = "ecs"
        }
      }

      healthCheck = {
        command     = ["CMD-SHELL", "curl -f http://localhost:8000/api/v1/utils/health-check/ || exit 1"]
        interval    = 30
        timeout     = 5
        retries     = 3
        startPeriod = 60
      }
    }
  ])

  tags = local.tags
}

# Frontend: static files, and nothing secret
resource "aws_ecs_task_definition" "frontend" {
  family                   = "${local.name}-frontend"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = var.execution_role_arn

  container_definitions = jsonencode([
    {
      name      = "frontend"
      image     = "${var.frontend_image}:${var.image_tag}"
      essential = true

      portMappings = [
        {
          containerPort = 80
          protocol      = "tcp"
        }
      ]

      environment = [
        {
          name  = "VITE_API_URL"
          value = "https://api.${var.domain}"
        }
      ]

      logConfiguration = {
        logDriver = "awslogs"
        options = {
          "awslogs-group"         = aws_cloudwatch_log_group.frontend.name
          "awslogs-region"        = var.region
          "awslogs-stream-prefix" = "ecs"
        }
      }
    }
  ])

  tags = local.tags
}

resource "aws_ecs_service" "backend" {
  name                   = "backend"
  cluster                = aws_ecs_cluster.main.id
  task_definition        = aws_ecs_task_definition.backend.arn
  desired_count          = var.backend_count
  launch_type            = "FARGATE"
  enable_execute_command = var.environment != "production"

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = var.security_group_ids
    assign_public_ip = false
  }
}

resource "aws_ecs_service" "frontend" {
  name            = "frontend"
  cluster         = aws_ecs_cluster.main.id
  task_definition = aws_ecs_task_definition.frontend.arn
  desired_count   = 1
  launch_type     = "FARGATE"

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = var.security_group_ids
    assign_public_ip = false
  }
}
"""

REFERENCE = """\
        {
          name      = "@VARIABLE@"
          valueFrom = "${var.secrets_arn}:@KEY@::"
        }"""

ECS_VARIABLES = """\
variable "project" {
  description = "Name that every resource begins with"
  type        = string
}

variable "environment" {
  description = "staging or production"
  type        = string
}

variable "region" {
  type    = string
  default = "ap-southeast-2"
}

variable "secrets_arn" {
  description = "ARN of the application's secret"
  type        = string
}

variable "execution_role_arn" {
  description = "Role that ECS pulls images and secrets with"
  type        = string
}

variable "task_role_arn" {
  description = "Role that the application has"
  type        = string
}

variable "backend_image" {
  type = string
}

variable "frontend_image" {
  type = string
}

variable "image_tag" {
  type    = string
  default = "latest"
}

variable "backend_cpu" {
  type    = number
  default = 512
}

variable "backend_memory" {
  type    = number
  default = 1024
}

variable "backend_count" {
  type    = number
  default = 1
}

variable "domain" {
  type = string
}

variable "database_host" {
  type = string
}

variable "database_port" {
  type    = number
  default = 5432
}

variable "database_name" {
  type    = string
  default = "app"
}

variable "database_user" {
  type    = string
  default = "postgres"
}

variable "redis_host" {
  type = string
}

variable "log_retention_days" {
  type    = number
  default = 30
}

variable "subnet_ids" {
  type = list(string)
}

variable "security_group_ids" {
  type = list(string)
}

variable "tags" {
  type    = map(string)
  default = {}
}
"""

IAM = """\
variable "project" {
  type = string
}

variable "environment" {
  type = string
}

variable "secrets_arn" {
  type = string
}

locals {
  name = "${var.project}-${var.environment}"
}

data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "execution" {
  name               = "${local.name}-ecs-task-execution-role"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "execution_secrets" {
  name = "${local.name}-ecs-task-execution-secrets-policy"
  role = aws_iam_role.execution.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = var.secrets_arn
      }
    ]
  })
}

resource "aws_iam_role" "task" {
  name               = "${local.name}-ecs-task-role"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

output "execution_role_arn" {
  value = aws_iam_role.execution.arn
}

output "task_role_arn" {
  value = aws_iam_role.task.arn
}
"""

SECRETS = """\
variable "project" {
  type = string
}

variable "environment" {
  type = string
}

resource "aws_secretsmanager_secret" "app" {
  name                    = "${var.project}-${var.environment}-app-secrets"
  description             = "Secrets of the application"
  recovery_window_in_days = var.environment == "production" ? 30 : 7
}

# Placeholders; the real values are written by people afterwards.
resource "aws_secretsmanager_secret_version" "app" {
  secret_id = aws_secretsmanager_secret.app.id

  secret_string = jsonencode({
@PLACEHOLDERS@
  })

  lifecycle {
    ignore_changes = [secret_string]
  }
}

output "secrets_arn" {
  value = aws_secretsmanager_secret.app.arn
}
"""

ENVIRONMENT = """\
terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

provider "aws" {
  region = local.region
}

locals {
  project     = "ohmycoins"
  environment = "@ENVIRONMENT@"
  region      = "ap-southeast-2"
}

variable "image_tag" {
  type    = string
  default = "latest"
}

variable "subnet_ids" {
  type = list(string)
}

variable "security_group_ids" {
  type = list(string)
}

module "secrets" {
  source = "../../modules/secrets"

  project     = local.project
  environment = local.environment
}

module "iam" {
  source = "../../modules/iam"

  project     = local.project
  environment = local.environment
  secrets_arn = module.secrets.secrets_arn
}

module "ecs" {
  source = "../../modules/ecs"

  project            = local.project
  environment        = local.environment
  region             = local.region
  domain             = "@DOMAIN@"
  secrets_arn        = module.secrets.secrets_arn
  execution_role_arn = module.iam.execution_role_arn
  task_role_arn      = module.iam.task_role_arn
  backend_image      = "ghcr.io/ohmycoins/backend"
  frontend_image     = "ghcr.io/ohmycoins/frontend"
  image_tag          = var.image_tag
  backend_count      = @COUNT@
  database_host      = "database.@ENVIRONMENT@.internal"
  redis_host         = "redis.@ENVIRONMENT@.internal"
  subnet_ids         = var.subnet_ids
  security_group_ids = var.security_group_ids
}
"""


def terraform_files(references: dict[str, str]) -> dict[str, str]:
    """The files below `infrastructure/terraform`; `references` has the secret's key of each backend variable."""
    listed = (REFERENCE.replace("@VARIABLE@", name).replace("@KEY@", key) for name, key in references.items())
    width = max(len(key) for key in references.values()) + len('""')
    placeholders = (_placeholder(key, width) for key in references.values())
    return {
        "modules/ecs/main.tf": ECS.replace("@SECRETS@", ",\n".join(listed)),
        "modules/ecs/variables.tf": ECS_VARIABLES,
        "modules/iam/main.tf": IAM,
        "modules/secrets/main.tf": SECRETS.replace("@PLACEHOLDERS@", "\n".join(placeholders)),
        "environments/staging/main.tf": _environment("staging", "staging.ohmycoins.test", 2),
        "environments/production/main.tf": _environment("production", "ohmycoins.test", 3),
    }


def _placeholder(key: str, width: int) -> str:
    quoted, named = f'"{key}"', key.lower().replace("_", "-")
    return f'    {quoted:{width}} = "temporary-{named}-please-update"'


def _environment(name: str, domain: str, count: int) -> str:
    text = ENVIRONMENT.replace("@ENVIRONMENT@", name).replace("@DOMAIN@", domain)
    return text.replace("@COUNT@", str(count))
