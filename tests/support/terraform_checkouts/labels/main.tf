locals {
  settings = yamldecode(file("${path.module}/config/${var.env}.yaml"))
  secrets = flatten([
    for s in local.settings.secrets : [
      for k in s.keys : {
        name      = k
        valueFrom = "${data.aws_secretsmanager_secret.main[s.name].arn}:${k}::"
      }
    ]
  ])
  extra = merge(
    {
      JWT_SECRET : { arn = data.aws_secretsmanager_secret.main["river-staging"].arn, key = "jwt::" },
    },
    var.admin ? { ADMIN : { arn = "x", key = "admin::" } } : {},
  )
}
variable "env" { default = "staging" }
variable "admin" { default = false }
data "aws_secretsmanager_secret" "main" {
  for_each = { for s in local.settings.secrets : s.name => s }
  name     = each.key
}
module "label" {
  source    = "cloudposse/label/null"
  version   = "0.25.0"
  namespace = "River"
  stage     = var.env
  name      = "apps"
}
module "container" {
  source          = "git::https://github.com/cloudposse/terraform-aws-ecs-container-definition.git?ref=0.23.0"
  container_name  = "api"
  container_image = "x"
  secrets         = concat(local.secrets, [for name, s in local.extra : { name = name, valueFrom = "${s.arn}:${s.key}" }])
}
resource "aws_ecs_cluster" "main" { name = module.label.id }
module "svc" {
  source        = "terraform-aws-modules/ecs/aws//modules/service"
  name          = "${module.label.id}-worker"
  cluster_arn   = aws_ecs_cluster.main.arn
  desired_count = 1
  container_definitions = { worker = { secrets = [{ name = "JWT_SECRET", valueFrom = "${data.aws_secretsmanager_secret.main["river-staging"].arn}:jwt::" }] } }
}
resource "aws_ecs_task_definition" "api" {
  family                = module.label.id
  container_definitions = "[${module.container.json_map_encoded}]"
  execution_role_arn    = module.roles.arn
}
module "roles" { source = "git::https://x/y.git" }
resource "aws_ecs_service" "api" {
  name            = "api"
  cluster         = aws_ecs_cluster.main.id
  task_definition = aws_ecs_task_definition.api.arn
  desired_count   = 2
}
