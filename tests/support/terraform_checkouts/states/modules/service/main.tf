variable "name" {}
variable "environment" {}
variable "cluster_arn" {}
variable "secret_arn" {}

variable "secret_vars" {
  type    = map(string)
  default = {}
}

variable "enabled" {
  default = true
}

locals {
  secrets = concat(
    [for variable, key in var.secret_vars : { name = variable, valueFrom = join(":", [var.secret_arn, key, "", ""]) }],
    [],
  )
}

resource "aws_iam_role" "execution" {
  name_prefix        = "atlas-${var.name}-"
  assume_role_policy = "{}"
}

resource "aws_ecs_task_definition" "this" {
  count                 = var.enabled ? 1 : 0
  family                = "atlas-${var.environment}-${var.name}"
  execution_role_arn    = aws_iam_role.execution.arn
  container_definitions = jsonencode([{ name = var.name, secrets = local.secrets }])
}

resource "aws_ecs_service" "this" {
  count           = var.enabled ? 1 : 0
  name            = "${var.name}-${var.environment}"
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.this[0].arn
  desired_count   = 1
}
