variable "project_name" { type = string }
variable "environment" { type = string }
variable "secrets_arn" { type = string }
variable "execution_role_arn" { type = string }
variable "task_role_arn" { type = string }
variable "domain" { type = string }

variable "backend_desired_count" {
  type    = number
  default = 1
}

resource "aws_ecs_cluster" "main" {
  name = "${var.project_name}-cluster"
}

resource "aws_ecs_task_definition" "backend" {
  family                   = "${var.project_name}-backend"
  requires_compatibilities = ["FARGATE"]
  execution_role_arn       = var.execution_role_arn
  task_role_arn            = var.task_role_arn

  container_definitions = jsonencode([
    {
      name = "backend"
      environment = [
        { name = "ENVIRONMENT", value = var.environment },
        { name = "DOMAIN", value = var.domain },
        { name = "POSTGRES_SERVER", value = "database.internal" },
        { name = "POSTGRES_PORT", value = "5432" },
        { name = "POSTGRES_DB", value = "app" },
        { name = "POSTGRES_USER", value = "postgres" },
        { name = "REDIS_HOST", value = "redis.internal" },
        { name = "REDIS_PORT", value = "6379" },
      ]
      secrets = [
        { name = "SECRET_KEY", valueFrom = "${var.secrets_arn}:SECRET_KEY::" },
        { name = "POSTGRES_PASSWORD", valueFrom = "${var.secrets_arn}:POSTGRES_PASSWORD::" },
        { name = "OPENAI_API_KEY", valueFrom = "${var.secrets_arn}:OPENAI_API_KEY::" },
        { name = "FIRST_SUPERUSER", valueFrom = "${var.secrets_arn}:FIRST_SUPERUSER::" },
        { name = "FIRST_SUPERUSER_PASSWORD", valueFrom = "${var.secrets_arn}:FIRST_SUPERUSER_PASSWORD::" },
        { name = "CRYPTOPANIC_API_KEY", valueFrom = "${var.secrets_arn}:omc-CryptoPanic-testkey::" },
        { name = "NEWSCATCHER_API_KEY", valueFrom = "${var.secrets_arn}:omc-NewsCatcher-testkey::" },
        { name = "NANSEN_API_KEY", valueFrom = "${var.secrets_arn}:omc-Nansen-testkey::" },
      ]
    }
  ])
}

resource "aws_ecs_task_definition" "frontend" {
  family                = "${var.project_name}-frontend"
  execution_role_arn    = var.execution_role_arn
  container_definitions = jsonencode([{ name = "frontend", environment = [] }])
}

resource "aws_ecs_service" "backend" {
  name            = "${var.project_name}-backend"
  cluster         = aws_ecs_cluster.main.id
  task_definition = aws_ecs_task_definition.backend.arn
  desired_count   = var.backend_desired_count
}

resource "aws_ecs_service" "frontend" {
  name            = "${var.project_name}-frontend"
  cluster         = aws_ecs_cluster.main.id
  task_definition = aws_ecs_task_definition.frontend.arn
  desired_count   = var.backend_desired_count
}

output "cluster_name" {
  value = aws_ecs_cluster.main.name
}

output "backend_service_name" {
  value = aws_ecs_service.backend.name
}
