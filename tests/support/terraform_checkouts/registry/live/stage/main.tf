provider "aws" {
  region = "ca-central-1"
}

locals {
  name = "bookings-stage"
}

module "secret" {
  source  = "terraform-aws-modules/secrets-manager/aws"
  version = "~> 1.1"

  name                    = "${local.name}-api"
  recovery_window_in_days = 7
}

module "ecs" {
  source  = "terraform-aws-modules/ecs/aws"
  version = "~> 5.11"

  cluster_name = "${local.name}-ecs"

  services = {
    api = {
      cpu           = 512
      desired_count = 2

      container_definitions = {
        api = {
          image = "bookings/api:latest"
          environment = [
            { name = "ENVIRONMENT", value = "stage" }
          ]
          secrets = [
            { name = "SECRET_KEY", valueFrom = "${module.secret.secret_arn}:SECRET_KEY::" },
            { name = "DATABASE_URL", valueFrom = "${module.secret.secret_arn}:DATABASE_URL::" },
          ]
        }
      }
    }
    web = {
      container_definitions = {
        web = { image = "bookings/web:latest" }
      }
    }
  }
}
