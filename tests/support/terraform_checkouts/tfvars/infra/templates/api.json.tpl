[
  {
    "name": "${name}",
    "essential": true,
    "portMappings": [{ "containerPort": ${port} }],
    "environment": [
      { "name": "ENVIRONMENT", "value": "${environment}" }
    ],
    "secrets": [
      { "name": "SECRET_KEY", "valueFrom": "${config_arn}:secret_key::" },
      { "name": "POSTGRES_PASSWORD", "valueFrom": "${config_arn}:db_password::" },
      { "name": "SENTRY_DSN", "valueFrom": "${config_arn}:SENTRY_DSN::" },
      { "name": "LICENCE", "valueFrom": "/ledger/${environment}/licence" }
    ],
    "logConfiguration": { "logDriver": "awslogs", "options": { "awslogs-group": "${log_group}" } }
  }
]
