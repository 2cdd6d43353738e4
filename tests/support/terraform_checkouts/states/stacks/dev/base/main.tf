variable "environment" {
  default = "dev"
}

provider "aws" {
  region = "eu-north-1"
}

resource "aws_ecs_cluster" "main" {
  name = "atlas-dev-apps"
}

resource "aws_secretsmanager_secret" "runtime" {
  name = "atlas-dev-runtime"
}

resource "aws_secretsmanager_secret" "database" {
  name_prefix = "atlas-dev-database-"
}

output "cluster_arn" {
  value = aws_ecs_cluster.main.arn
}

output "runtime_secret_arn" {
  value = aws_secretsmanager_secret.runtime.arn
}
