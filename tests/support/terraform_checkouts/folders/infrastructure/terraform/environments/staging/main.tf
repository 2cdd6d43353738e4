terraform {
  required_version = ">= 1.5"
  backend "s3" {}
}

provider "aws" {
  region = var.aws_region

  default_tags {
    tags = {
      Project     = "Oh My Coins"
      Environment = "staging"
      ManagedBy   = "Terraform"
    }
  }
}

locals {
  environment  = "staging"
  project_name = "ohmycoins-staging"
}

module "secrets" {
  source       = "../../modules/secrets"
  project_name = local.project_name
  environment  = local.environment
  password     = var.master_password
}

module "iam" {
  source       = "../../modules/iam"
  project_name = local.project_name
  secrets_arn  = module.secrets.secret_arn
}

module "ecs" {
  source = "../../modules/ecs"

  project_name       = local.project_name
  environment        = local.environment
  secrets_arn        = module.secrets.secret_arn
  execution_role_arn = module.iam.execution_role_arn
  task_role_arn      = module.iam.task_role_arn
  domain             = var.domain
  # Stopped to save costs
  backend_desired_count = 0
}
