variable "product" {}
variable "stage" {}
variable "region" {}
variable "secret_arn" {}

provider "aws" {
  region = var.region
}

resource "aws_ecs_cluster" "this" {
  name = "${var.product}-${var.stage}"
}

data "aws_iam_role" "execution" {
  name = "ecsTaskExecutionRole"
}

resource "aws_ecs_task_definition" "this" {
  family             = "${var.product}-${var.stage}-web"
  execution_role_arn = data.aws_iam_role.execution.arn
  container_definitions = <<-JSON
    [
      {
        "name": "web",
        "secrets": [
          { "name": "SECRET_KEY", "valueFrom": "${var.secret_arn}:SECRET_KEY::" },
          { "name": "DB_PASSWORD", "valueFrom": "${var.secret_arn}:password::" }
        ]
      }
    ]
  JSON
}

resource "aws_ecs_service" "this" {
  name            = "web"
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = 1
}
