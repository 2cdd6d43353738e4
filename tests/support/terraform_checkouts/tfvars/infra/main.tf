provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]
}

locals {
  name = lower(format("%s-%s", var.app_name, var.env))
  tags = {
    app = var.app_name
    env = var.env
  }
}

resource "aws_ecs_cluster" "this" {
  name = local.name
  tags = local.tags
}

resource "aws_secretsmanager_secret" "config" {
  name = "${var.app_name}/${var.env}/config"
}

resource "aws_secretsmanager_secret" "tls" {
  name = "${var.app_name}/${var.env}/tls"
}
