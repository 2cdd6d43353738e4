variable "project_name" { type = string }
variable "environment" { type = string }
variable "password" { type = string }

resource "aws_secretsmanager_secret" "app" {
  name                    = "${var.project_name}-app-secrets"
  recovery_window_in_days = 7
}

resource "aws_secretsmanager_secret_version" "app" {
  secret_id = aws_secretsmanager_secret.app.id
  secret_string = jsonencode({
    SECRET_KEY               = "temporary-secret-key-please-update"
    POSTGRES_PASSWORD        = var.password
    OPENAI_API_KEY           = "temporary-openai-key-please-update"
    FIRST_SUPERUSER          = "admin@ohmycoins.test"
    FIRST_SUPERUSER_PASSWORD = "temporary-password-please-update"
    POSTGRES_SERVER          = "database.internal"
    POSTGRES_PORT            = 5432
    DOMAIN                   = "ohmycoins.test"
    ENVIRONMENT              = var.environment
    POSTGRES_DB              = "app"
    POSTGRES_USER            = "postgres"
    REDIS_HOST               = "redis.internal"
    REDIS_PORT               = 6379
    EMAILS_FROM_EMAIL        = "info@ohmycoins.test"
    FRONTEND_HOST            = "https://ohmycoins.test"
    PROJECT_NAME             = "Oh My Coins"
    SMTP_HOST                = "smtp.ohmycoins.test"
    SMTP_USER                = "noreply@ohmycoins.test"
    SMTP_PASSWORD            = "temporary-smtp-password-please-update"
    SENTRY_DSN               = "https://public@sentry.ohmycoins.test/1"
  })

  lifecycle {
    ignore_changes = [secret_string]
  }
}

output "secret_arn" {
  value = aws_secretsmanager_secret.app.arn
}
