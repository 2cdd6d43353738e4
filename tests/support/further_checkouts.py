"""Four more git checkouts of other shapes, written before the package was tried on any of them."""

from pathlib import Path

from support.unseen_checkouts import commit, text

ARN = "${aws_secretsmanager_secret.app.arn}"


def flask_dynaconf(folder: Path) -> Path:
    """Settings by dynaconf with a prefix, the whole of Terraform in JSON, .tfvars.json, and Compose with a list."""
    references = ",\n".join(
        f'                {{ "name": "SHOP_{name}", "valueFrom": "{ARN}:SHOP_{name}::" }}'
        for name in ("SECRET_KEY", "DATABASE__PASSWORD", "STRIPE_KEY")
    )
    return commit(folder, {
        ".gitignore": ".env\n.secrets.toml\n__pycache__/\n",
        "requirements.txt": "flask\ndynaconf\n",
        ".env.example": "SHOP_SECRET_KEY=\nSHOP_DATABASE__PASSWORD=\nSHOP_STRIPE_KEY=\nFLASK_DEBUG=1\n",
        "shop/__init__.py": "",
        "shop/config.py": text("""
from dynaconf import Dynaconf, Validator

settings = Dynaconf(
    envvar_prefix="SHOP",
    settings_files=["settings.toml", ".secrets.toml"],
    environments=True,
    load_dotenv=True,
    validators=[
        Validator("SECRET_KEY", must_exist=True, len_min=32),
        Validator("DATABASE.PASSWORD", must_exist=True),
        Validator("STRIPE_KEY", default=""),
    ],
)
"""),
        "shop/app.py": text("""
from flask import Flask

from shop.config import settings

app = Flask(__name__)
app.config["SECRET_KEY"] = settings.SECRET_KEY
"""),
        "settings.toml": '[default]\ntitle = "Shop"\n\n[default.database]\nhost = "db"\nuser = "shop"\n',
        "docker-compose.yml": text("""
services:
  app:
    build: .
    environment:
      SHOP_SECRET_KEY: ${SHOP_SECRET_KEY:?}
      SHOP_DATABASE__PASSWORD: ${SHOP_DATABASE__PASSWORD:?}
      SHOP_STRIPE_KEY: ${SHOP_STRIPE_KEY:-}
  db:
    image: postgres:17
    environment:
      POSTGRES_PASSWORD: ${SHOP_DATABASE__PASSWORD:?}
"""),
        "infra/main.tf.json": text("""
{
  "//": "made by hand",
  "variable": { "environment": {}, "tag": { "default": "latest" } },
  "resource": {
    "aws_secretsmanager_secret": { "app": { "name": "ohmycoins-${var.environment}-app-secrets" } },
    "aws_ecs_cluster": { "main": { "name": "ohmycoins-${var.environment}" } },
    "aws_ecs_service": {
      "backend": {
        "name": "backend",
        "cluster": "${aws_ecs_cluster.main.id}",
        "task_definition": "${aws_ecs_task_definition.backend.arn}"
      }
    },
    "aws_ecs_task_definition": {
      "backend": {
        "family": "ohmycoins-${var.environment}-backend",
        "container_definitions": "${jsonencode(local.containers)}"
      }
    }
  },
  "locals": {
    "containers": [
      {
        "name": "backend",
        "image": "example/shop:${var.tag}",
        "secrets": [
REFERENCES
        ]
      }
    ]
  }
}
""").replace("REFERENCES", references),
        "infra/staging.tfvars.json": '{ "environment": "staging" }\n',
        "infra/production.tfvars.json": '{ "environment": "production", "tag": "v3" }\n',
    })  # fmt: skip


def tofu_and_templates(folder: Path) -> Path:
    """OpenTofu, a module whose template takes the list, an env of a workflow for Compose, Settings below a package."""
    return commit(folder, {
        ".gitignore": ".env\n.terraform/\n",
        "pyproject.toml": '[project]\nname = "ledger"\nversion = "2"\ndependencies = ["pydantic-settings"]\n',
        ".env.template": text("""
# Ledger, locally
SECRET_KEY=changethis
POSTGRES_PASSWORD=changethis
FIRST_SUPERUSER=admin@example.com
FIRST_SUPERUSER_PASSWORD=changethis
"""),
        "src/ledger/__init__.py": "",
        "src/ledger/settings.py": text("""
from functools import lru_cache

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class LedgerSettings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    SECRET_KEY: SecretStr
    POSTGRES_PASSWORD: SecretStr
    FIRST_SUPERUSER: str
    FIRST_SUPERUSER_PASSWORD: SecretStr


@lru_cache
def settings() -> LedgerSettings:
    return LedgerSettings()
"""),
        "compose.yaml": text("""
services:
  backend:
    build: .
    environment:
      - SECRET_KEY
      - POSTGRES_PASSWORD
      - FIRST_SUPERUSER
      - FIRST_SUPERUSER_PASSWORD
"""),
        ".github/workflows/preview.yaml": text("""
name: preview
on:
  pull_request:
jobs:
  preview:
    runs-on: [self-hosted]
    env:
      SECRET_KEY: ${{ secrets.SECRET_KEY }}
      POSTGRES_PASSWORD: ${{ secrets.POSTGRES_PASSWORD }}
      FIRST_SUPERUSER: preview@example.com
      FIRST_SUPERUSER_PASSWORD: ${{ secrets.FIRST_SUPERUSER_PASSWORD }}
    steps:
      - uses: actions/checkout@v4
      - run: docker compose up --detach --build
"""),
        "infra/modules/service/main.tofu": text("""
variable "environment" {}
variable "secret_arn" {}
variable "keys" { type = list(string) }

locals {
  secrets = [for key in var.keys : { name = key, valueFrom = "${var.secret_arn}:${key}::" }]
}

resource "aws_ecs_cluster" "this" {
  name = "ohmycoins-${var.environment}"
}

resource "aws_ecs_service" "this" {
  name            = "backend"
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.this.arn
}

resource "aws_ecs_task_definition" "this" {
  family = "ohmycoins-${var.environment}-backend"
  container_definitions = templatefile("${path.module}/containers.json.tftpl", {
    environment = var.environment
    secrets     = local.secrets
  })
}
"""),
        "infra/modules/service/containers.json.tftpl": text("""
[
  {
    "name": "backend",
    "image": "example/ledger:${environment}",
    "secrets": ${jsonencode(secrets)}
  }
]
"""),
        **{f"infra/live/{name}/main.tofu": text(f"""
terraform {{
  backend "s3" {{}}
}}

resource "aws_secretsmanager_secret" "app" {{
  name = "ohmycoins-{name}-app-secrets"
}}

module "service" {{
  source      = "../../modules/service"
  environment = "{name}"
  secret_arn  = aws_secretsmanager_secret.app.arn
  keys = [
    "SECRET_KEY",
    "POSTGRES_PASSWORD",
    "FIRST_SUPERUSER",
    "FIRST_SUPERUSER_PASSWORD",
  ]
}}
""") for name in ("staging", "production")},
    })  # fmt: skip


def django_template(folder: Path) -> Path:
    """Django with django-environ, a template of JSON, workspaces, and the initial value of the secret."""
    references = ",\n".join(
        f'      {{\n        "name": "{name}",\n        "valueFrom": "${{secret_arn}}:{name}::"\n      }}'
        for name in ("DJANGO_SECRET_KEY", "POSTGRES_PASSWORD", "SENTRY_DSN")
    )
    return commit(folder, {
        ".gitignore": ".env\n",
        "manage.py": 'import os\n\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings")\n',
        "requirements/base.txt": "django\ndjango-environ\n",
        ".env.sample": "DJANGO_SECRET_KEY=\nPOSTGRES_PASSWORD=\n# SENTRY_DSN=\n",
        "site_/__init__.py": "",
        "site_/settings.py": text("""
import environ

env = environ.Env(DEBUG=(bool, False))
environ.Env.read_env(".env")

SECRET_KEY = env("DJANGO_SECRET_KEY")
SENTRY_DSN = env("SENTRY_DSN", default="")
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "PASSWORD": env("POSTGRES_PASSWORD")}}
"""),
        "docker-compose.yml": text("""
services:
  web:
    build: .
    env_file: .env
"""),
        "docker-compose.ci.yml": text("""
services:
  web:
    build: .
    environment:
      DJANGO_SECRET_KEY: for-ci-only
      POSTGRES_PASSWORD: for-ci-only
"""),
        "terraform/ecs.tf": text("""
data "template_file" "web" {
  template = file("${path.module}/task-definitions/web.json")

  vars = {
    name       = "backend"
    secret_arn = aws_secretsmanager_secret.app.arn
  }
}

resource "aws_ecs_cluster" "main" {
  name = "ohmycoins-${terraform.workspace}"
}

resource "aws_ecs_service" "web" {
  name            = "backend"
  cluster         = aws_ecs_cluster.main.id
  task_definition = aws_ecs_task_definition.web.arn
}

resource "aws_ecs_task_definition" "web" {
  family                = "ohmycoins-${terraform.workspace}-backend"
  container_definitions = data.template_file.web.rendered
}
"""),
        "terraform/task-definitions/web.json": text("""
[
  {
    "name": "${name}",
    "image": "example/site",
    "essential": true,
    "secrets": [
REFERENCES
    ]
  }
]
""").replace("REFERENCES", references),
        "terraform/secret.tf": text("""
resource "aws_secretsmanager_secret" "app" {
  name = "ohmycoins-${terraform.workspace}-app-secrets"
}

resource "aws_secretsmanager_secret_version" "first" {
  secret_id = aws_secretsmanager_secret.app.id
  secret_string = jsonencode({
    DJANGO_SECRET_KEY = "placeholder"
    POSTGRES_PASSWORD = "placeholder"
    SENTRY_DSN        = "placeholder"
  })
  lifecycle { ignore_changes = [secret_string] }
}
"""),
    })  # fmt: skip


def copilot_without_terraform(folder: Path) -> Path:
    """No Terraform but Copilot's manifest, a Compose file that others include, and Settings with aliases."""
    return commit(folder, {
        ".gitignore": ".env\n",
        ".env.dist": "SECRET_KEY=\nPOSTGRES_PASSWORD=\nFIRST_SUPERUSER=a@example.com\nFIRST_SUPERUSER_PASSWORD=\n",
        "api/pyproject.toml": '[project]\nname = "api"\nversion = "1"\ndependencies = ["pydantic-settings"]\n',
        "api/app/__init__.py": "",
        "api/app/config.py": text("""
from pydantic import Field
from pydantic_settings import BaseSettings


class Settings(BaseSettings, env_file="../.env", extra="ignore"):
    secret_key: str = Field(validation_alias="SECRET_KEY")
    postgres_password: str
    first_superuser: str
    first_superuser_password: str


settings = Settings()
"""),
        "compose.yml": "include:\n  - deploy/api.yml\n",
        "deploy/api.yml": text("""
services:
  api:
    build: ../api
    environment: &env
      SECRET_KEY: ${SECRET_KEY:?set SECRET_KEY}
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}
      FIRST_SUPERUSER: ${FIRST_SUPERUSER}
      FIRST_SUPERUSER_PASSWORD: ${FIRST_SUPERUSER_PASSWORD}
"""),
        "copilot/api/manifest.yml": text("""
name: api
type: Backend Service
secrets:
  SECRET_KEY:
    secretsmanager: 'ohmycoins-${COPILOT_ENVIRONMENT_NAME}-app-secrets:SECRET_KEY::'
  POSTGRES_PASSWORD:
    secretsmanager: 'ohmycoins-${COPILOT_ENVIRONMENT_NAME}-app-secrets:POSTGRES_PASSWORD::'
"""),
        ".gitlab-ci.yml": text("""
deploy:
  script:
    - copilot svc deploy --name api --env staging
"""),
    })  # fmt: skip


FURTHER = {
    each.__name__: each for each in (flask_dynaconf, tofu_and_templates, django_template, copilot_without_terraform)
}
