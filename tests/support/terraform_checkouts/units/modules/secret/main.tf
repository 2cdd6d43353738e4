variable "product" {}
variable "stage" {}

resource "aws_secretsmanager_secret" "this" {
  name = "${var.product}/${var.stage}"
}

output "arn" {
  value = aws_secretsmanager_secret.this.arn
}
