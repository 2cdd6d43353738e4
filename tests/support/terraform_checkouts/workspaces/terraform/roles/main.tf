variable "prefix" {}
variable "secret" {}

resource "aws_iam_role" "execution" {
  name               = "${var.prefix}-execution"
  assume_role_policy = "{}"

  inline_policy {
    name = "read-application-secret"
    policy = jsonencode({
      Statement = [{ Effect = "Allow", Action = "secretsmanager:GetSecretValue", Resource = var.secret }]
    })
  }
}

output "execution" {
  value = aws_iam_role.execution.arn
}
