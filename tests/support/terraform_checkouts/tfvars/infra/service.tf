resource "aws_ecs_task_definition" "api" {
  family             = "${local.name}-api"
  execution_role_arn = aws_iam_role.execution.arn
  task_role_arn      = join("", aws_iam_role.task.*.arn)

  container_definitions = templatefile("${path.module}/templates/api.json.tpl", {
    name        = "api"
    config_arn  = aws_secretsmanager_secret.config.arn
    environment = var.env
    port        = 8080
    log_group   = "/ecs/${local.name}"
  })
}

resource "aws_ecs_service" "api" {
  name            = "${local.name}-api-svc"
  cluster         = aws_ecs_cluster.this.arn
  task_definition = "${aws_ecs_task_definition.api.family}:${max(aws_ecs_task_definition.api.revision, 1)}"
  desired_count   = var.api_count

  lifecycle {
    ignore_changes = [desired_count, task_definition]
  }
}

resource "aws_iam_role" "execution" {
  name               = "${title(var.app_name)}Execution-${var.env}"
  path               = "/ecs/"
  assume_role_policy = file("${path.module}/templates/trust.json")
}

resource "aws_iam_role" "task" {
  count              = 1
  name               = "${local.name}-task"
  assume_role_policy = file("${path.module}/templates/trust.json")
}

data "aws_iam_policy_document" "read_config" {
  statement {
    sid       = "ReadConfig"
    actions   = ["secretsmanager:GetSecretValue", "kms:Decrypt"]
    resources = [aws_secretsmanager_secret.config.arn]
  }
}

resource "aws_iam_policy" "read_config" {
  name   = "${local.name}-read-config"
  policy = data.aws_iam_policy_document.read_config.json
}

resource "aws_iam_role_policy_attachment" "read_config" {
  role       = aws_iam_role.execution.name
  policy_arn = aws_iam_policy.read_config.arn
}
