terraform {
  backend "s3" {
    bucket = "shop-terraform"
    key    = "shop.tfstate"
    region = "us-east-1"
  }
}

provider "aws" {
  region = local.settings.region
}

provider "aws" {
  alias  = "certificates"
  region = "us-east-1"
}

locals {
  environment = terraform.workspace
  prefix      = "shop-${local.environment}"

  settings_by_workspace = {
    staging = {
      region  = "us-west-2"
      api     = 1
      workers = 0
    }
    prod = {
      region  = "us-east-2"
      api     = 4
      workers = 2
    }
  }
  settings = local.settings_by_workspace[local.environment]

  services = {
    api = {
      count   = local.settings.api
      secrets = ["SECRET_KEY", "POSTGRES_PASSWORD", "STRIPE_API_KEY"]
    }
    worker = {
      count   = local.settings.workers
      secrets = ["POSTGRES_PASSWORD"]
    }
    docs = {
      count   = 1
      secrets = []
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

data "aws_secretsmanager_secret" "application" {
  name = "${local.prefix}/application"
}

resource "aws_ecs_cluster" "shop" {
  name = title(local.prefix)
}

module "roles" {
  source = "./roles"
  prefix = local.prefix
  secret = data.aws_secretsmanager_secret.application.arn
}

resource "aws_ecs_task_definition" "service" {
  for_each           = local.services
  family             = "${local.prefix}-${each.key}"
  execution_role_arn = module.roles.execution
  task_role_arn      = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:role/shop/${local.prefix}-task"

  container_definitions = jsonencode([
    merge(
      { name = each.key, essential = true },
      {
        environment = [for name, value in { ENVIRONMENT = local.environment, REGION = data.aws_region.current.name } : { name = name, value = value }]
        secrets = length(each.value.secrets) == 0 ? [] : [
          for key in each.value.secrets : {
            name      = key
            valueFrom = "${data.aws_secretsmanager_secret.application.arn}:${lower(replace(key, "_", "-"))}::"
          }
        ]
      }
    )
  ])
}

resource "aws_ecs_service" "service" {
  for_each        = local.services
  name            = each.key
  cluster         = aws_ecs_cluster.shop.id
  task_definition = aws_ecs_task_definition.service[each.key].arn
  desired_count   = each.value.count
}
