"""Git checkouts of a platform on ECS, written without a look at the files that the package was tried on.

Each differs in where its Settings, its template, its Compose file and its Terraform are, and in how they are written.
"""

from collections.abc import Callable
from pathlib import Path

from support.files import write_files
from support.platform_checkout import Platform


def commit(folder: Path, files: dict[str, str]) -> Path:
    """Write the files, each text as it is, into a new git repository, commit all that is not ignored, and return it."""
    Platform(write_files(folder, files)).begin()
    return folder


def text(lines: str) -> str:
    """A file's text, from a literal that starts with a line break."""
    return lines.removeprefix("\n")


MAIN = """
from fastapi import FastAPI

from {module} import {name}

app = FastAPI(title={name}.{title})


@app.get("/health")
def health() -> dict[str, str]:
    return {{"status": "ok"}}
"""

DOCKERFILE = text("""
FROM python:3.12-slim
WORKDIR /app
COPY . .
RUN pip install .
CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0"]
""")


def nested_settings(folder: Path) -> Path:
    """Poetry, src/app/settings.py with nested models in lower case, and Terraform's secrets from a list of names."""
    return commit(folder, {
        "pyproject.toml": text("""
[tool.poetry]
name = "platform"
version = "1.4.0"
packages = [{ include = "app", from = "src" }]

[tool.poetry.dependencies]
python = "^3.12"
fastapi = "^0.115"
pydantic-settings = "^2.6"
"""),
        ".gitignore": "__pycache__/\n.venv/\n.env\n*.tfstate*\n.terraform/\n",
        ".env.example": text("""
# Copy me to .env
ENVIRONMENT=local
SECRET_KEY=
FIRST_SUPERUSER=admin@example.com
FIRST_SUPERUSER_PASSWORD=

# Database
POSTGRES_SERVER=localhost
POSTGRES_USER=platform
POSTGRES_PASSWORD=
POSTGRES_DB=platform

# Optional
OPENAI_API_KEY=
SMTP__HOST=
SMTP__PASSWORD=
"""),
        "Dockerfile": DOCKERFILE,
        "src/app/__init__.py": "",
        "src/app/main.py": text(MAIN.format(module="app.settings", name="settings", title="environment")),
        "src/app/settings.py": text('''
"""All that the platform is told from outside."""

from typing import Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class SmtpSettings(BaseModel):
    host: str = ""
    user: str = ""
    password: SecretStr | None = None


class DatabaseSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="POSTGRES_", env_file=".env", extra="ignore")

    server: str = "localhost"
    port: int = 5432
    user: str = "postgres"
    password: SecretStr
    db: str = "app"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", env_nested_delimiter="__", extra="ignore")

    environment: Literal["local", "staging", "production"] = "local"
    secret_key: SecretStr
    first_superuser: str
    first_superuser_password: SecretStr
    openai_api_key: SecretStr | None = Field(default=None, repr=False)
    smtp: SmtpSettings = SmtpSettings()
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)


settings = Settings()
'''),
        "compose.yaml": text("""
services:
  db:
    image: postgres:17
    env_file: .env
  backend:
    build: .
    env_file:
      - path: .env
        required: true
    depends_on: [db]
"""),
        "infra/modules/service/variables.tf": text("""
variable "environment" { type = string }
variable "image" { type = string }

variable "secret_names" {
  description = "Keys of the secret that the backend receives under the same names"
  type        = list(string)
  default = [
    "SECRET_KEY",
    "POSTGRES_PASSWORD",
    "FIRST_SUPERUSER",
    "FIRST_SUPERUSER_PASSWORD",
    "OPENAI_API_KEY",
  ]
}
"""),
        "infra/modules/service/main.tf": text("""
resource "aws_secretsmanager_secret" "app" {
  name = "ohmycoins-${var.environment}-app-secrets"
}

resource "aws_ecs_task_definition" "backend" {
  family                   = "ohmycoins-${var.environment}-backend"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512

  container_definitions = jsonencode([{
    name      = "backend"
    image     = var.image
    essential = true
    environment = [
      { name = "ENVIRONMENT", value = var.environment },
    ]
    secrets = [for name in var.secret_names : {
      name      = name
      valueFrom = "${aws_secretsmanager_secret.app.arn}:${name}::"
    }]
  }])
}
"""),
        **{f"infra/envs/{environment}/main.tf": text(f"""
module "service" {{
  source      = "../../modules/service"
  environment = "{environment}"
  image       = "example/platform:{environment}"
}}
""") for environment in ("staging", "production")},
    })  # fmt: skip


def environ_only(folder: Path) -> Path:
    """uv, no Settings but os.environ, a flat Terraform with a tfvars file for each environment, a Compose list."""
    return commit(folder, {
        "pyproject.toml": text("""
[project]
name = "platform"
version = "0.3.1"
requires-python = ">=3.12"
dependencies = ["fastapi>=0.115", "uvicorn"]

[tool.uv]
package = false
"""),
        "uv.lock": 'version = 1\nrequires-python = ">=3.12"\n',
        ".gitignore": "/.env\n/.venv\n__pycache__\n.terraform\n",
        ".env.sample": text("""
SECRET_KEY='changethis'   # openssl rand -hex 32
POSTGRES_PASSWORD='changethis'
FIRST_SUPERUSER="admin@example.com"
FIRST_SUPERUSER_PASSWORD=changethis
DEBUG=1
#OPENAI_API_KEY=
"""),
        "app/__init__.py": "",
        "app/config.py": text('''
"""Read the environment once."""

import os

SECRET_KEY = os.environ["SECRET_KEY"]
POSTGRES_PASSWORD = os.environ["POSTGRES_PASSWORD"]
DATABASE_URL = f"postgresql://platform:{POSTGRES_PASSWORD}@{os.getenv('POSTGRES_SERVER', 'db')}/platform"
OPENAI_API_KEY = os.getenv("OPENAI_API_KEY")
FIRST_SUPERUSER = os.environ.get("FIRST_SUPERUSER", "admin@example.com")
FIRST_SUPERUSER_PASSWORD = os.environ["FIRST_SUPERUSER_PASSWORD"]
DEBUG = os.getenv("DEBUG") == "1"
TITLE = "platform"
'''),
        "app/main.py": text(MAIN.format(module="app", name="config", title="TITLE")),
        "docker-compose.yml": text("""
version: "3.9"
services:
  backend:
    build: .
    environment:
      - SECRET_KEY=${SECRET_KEY:?set it in .env}
      - POSTGRES_PASSWORD=${POSTGRES_PASSWORD:?set it in .env}
      - FIRST_SUPERUSER
      - FIRST_SUPERUSER_PASSWORD=${FIRST_SUPERUSER_PASSWORD:?}
      - OPENAI_API_KEY=${OPENAI_API_KEY-}
      - DEBUG
    ports: ["8000:8000"]
"""),
        "terraform/variables.tf": 'variable "environment" {}\nvariable "image_tag" { default = "latest" }\n',
        "terraform/staging.tfvars": 'environment = "staging"\n',
        "terraform/production.tfvars": 'environment = "production"\nimage_tag   = "v12"\n',
        "terraform/secrets.tf": text("""
resource "aws_secretsmanager_secret" "this" {
  name = "ohmycoins-${var.environment}-app-secrets"
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id     = aws_secretsmanager_secret.this.id
  secret_string = jsonencode({ SECRET_KEY = "placeholder", POSTGRES_PASSWORD = "placeholder" })

  lifecycle {
    ignore_changes = [secret_string]
  }
}
"""),
        "terraform/ecs.tf": text("""
locals {
  arn = aws_secretsmanager_secret.this.arn

  backend = {
    name      = "backend"
    image     = "example/platform:${var.image_tag}"
    essential = true

    environment = [{ name = "DEBUG", value = "0" }]

    secrets = [
      { name = "SECRET_KEY", valueFrom = "${local.arn}:SECRET_KEY::" },
      { name = "POSTGRES_PASSWORD", valueFrom = "${local.arn}:POSTGRES_PASSWORD::" },
      { name = "FIRST_SUPERUSER", valueFrom = "${local.arn}:FIRST_SUPERUSER::" },
      { name = "FIRST_SUPERUSER_PASSWORD", valueFrom = "${local.arn}:FIRST_SUPERUSER_PASSWORD::" },
      { name = "OPENAI_API_KEY", valueFrom = "${local.arn}:OPENAI_API_KEY::" }
    ]
  }
}

resource "aws_ecs_task_definition" "backend" {
  family                = "ohmycoins-${var.environment}-backend"
  container_definitions = jsonencode([local.backend])
}
"""),
    })  # fmt: skip


def monorepo(folder: Path) -> Path:
    """apps/api and apps/web with VITE_ variables, .env.dist, Compose anchors, templatefile JSON, workspaces."""
    return commit(folder, {
        ".gitignore": "node_modules/\n.env\n.env.*\n!.env.dist\n!.env.example\n",
        ".env.dist": text("""
# ---- api ----
ENVIRONMENT=local
SECRET_KEY=<openssl rand -hex 32>
POSTGRES_PASSWORD=<choose one>
FIRST_SUPERUSER=admin@example.com
FIRST_SUPERUSER_PASSWORD=<choose one>
OPENAI_API_KEY=<https://platform.openai.com/api-keys>
SENTRY_DSN=

# ---- web ----
VITE_API_URL=http://localhost:8000
"""),
        "package.json": '{\n  "private": true,\n  "workspaces": ["apps/web"]\n}\n',
        "apps/web/package.json": '{\n  "name": "web",\n  "scripts": { "build": "vite build" }\n}\n',
        "apps/web/.env.example": "VITE_API_URL=http://localhost:8000\n",
        "apps/web/src/vite-env.d.ts": text("""
/// <reference types="vite/client" />
interface ImportMetaEnv {
  readonly VITE_API_URL: string
}
"""),
        "apps/web/Dockerfile": "FROM node:22\nARG VITE_API_URL\nENV VITE_API_URL=$VITE_API_URL\nRUN npm run build\n",
        "apps/api/pyproject.toml": '[project]\nname = "api"\nversion = "0"\ndependencies = ["pydantic-settings"]\n',
        "apps/api/app/__init__.py": "",
        "apps/api/app/core/__init__.py": "",
        "apps/api/app/main.py": text(MAIN.format(module="app.core.config", name="settings", title="PROJECT_NAME")),
        "apps/api/app/core/config.py": text('''
from typing import Annotated, Any, Self

from pydantic import AnyUrl, BeforeValidator, HttpUrl, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def parse_cors(value: Any) -> list[str] | str:
    if isinstance(value, str) and not value.startswith("["):
        return [part.strip() for part in value.split(",")]
    return value


class Settings(BaseSettings):
    """Settings of the API; the .env file is the one at the top of the monorepo."""

    model_config = SettingsConfigDict(env_file="../../.env", env_ignore_empty=True, extra="ignore")

    PROJECT_NAME: str = "platform"
    ENVIRONMENT: str = "local"
    SECRET_KEY: str
    BACKEND_CORS_ORIGINS: Annotated[list[AnyUrl] | str, BeforeValidator(parse_cors)] = []
    POSTGRES_PASSWORD: str
    FIRST_SUPERUSER: str
    FIRST_SUPERUSER_PASSWORD: str
    OPENAI_API_KEY: str | None = None
    SENTRY_DSN: HttpUrl | None = None

    @model_validator(mode="after")
    def _placeholders(self) -> Self:
        for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"):
            if getattr(self, name).startswith("<"):
                raise ValueError(f"{name} is still a placeholder")
        return self


settings = Settings()  # type: ignore[call-arg]
'''),
        "compose.yaml": text("""
x-backend-env: &backend-env
  ENVIRONMENT: ${ENVIRONMENT:-local}
  SECRET_KEY: ${SECRET_KEY?Variable not set}
  POSTGRES_PASSWORD: ${POSTGRES_PASSWORD?Variable not set}
  FIRST_SUPERUSER: ${FIRST_SUPERUSER}
  FIRST_SUPERUSER_PASSWORD: ${FIRST_SUPERUSER_PASSWORD}
  OPENAI_API_KEY: ${OPENAI_API_KEY}

services:
  backend:
    build: apps/api
    environment:
      <<: *backend-env
      SENTRY_DSN: ${SENTRY_DSN}
  worker:
    build: apps/api
    command: python -m app.worker
    profiles: [worker]
    environment: *backend-env
  web:
    build:
      context: apps/web
      args:
        VITE_API_URL: ${VITE_API_URL}
"""),
        "deploy/terraform/main.tf": text("""
locals {
  environment = terraform.workspace
}

data "aws_secretsmanager_secret" "app" {
  name = "ohmycoins-${local.environment}-app-secrets"
}

resource "aws_ecs_task_definition" "backend" {
  family = "ohmycoins-${local.environment}-backend"
  container_definitions = templatefile("${path.module}/templates/backend.json.tftpl", {
    environment = local.environment
    secret_arn  = data.aws_secretsmanager_secret.app.arn
  })
}
"""),
        "deploy/terraform/templates/backend.json.tftpl": text("""
[
  {
    "name": "backend",
    "image": "example/api:${environment}",
    "essential": true,
    "environment": [
      { "name": "ENVIRONMENT", "value": "${environment}" }
    ],
    "secrets": [
      { "name": "SECRET_KEY", "valueFrom": "${secret_arn}:SECRET_KEY::" },
      { "name": "POSTGRES_PASSWORD", "valueFrom": "${secret_arn}:POSTGRES_PASSWORD::" },
      { "name": "FIRST_SUPERUSER", "valueFrom": "${secret_arn}:FIRST_SUPERUSER::" },
      { "name": "FIRST_SUPERUSER_PASSWORD", "valueFrom": "${secret_arn}:FIRST_SUPERUSER_PASSWORD::" },
      { "name": "OPENAI_API_KEY", "valueFrom": "${secret_arn}:OPENAI_API_KEY::" },
      { "name": "SENTRY_DSN", "valueFrom": "${secret_arn}:SENTRY_DSN::" }
    ]
  }
]
"""),
        ".github/workflows/web.yml": text("""
name: web
on: { push: { branches: [main], paths: ["apps/web/**"] } }
jobs:
  build:
    runs-on: ubuntu-latest
    env:
      VITE_API_URL: ${{ vars.VITE_API_URL }}
    steps:
      - uses: actions/checkout@v4
      - run: npm ci && npm run build -w web
"""),
    })  # fmt: skip


def windows(folder: Path) -> Path:
    """The guide's layout, saved on Windows: CRLF everywhere, a BOM at the template, odd quotes and comments."""
    files = {
        ".gitattributes": "* -text\n",
        ".gitignore": ".env\n",
        ".env.template": text("""
\ufeff# Local settings of the platform
ENVIRONMENT=local
export SECRET_KEY="changethis" # hex, 32 bytes
POSTGRES_SERVER = localhost
POSTGRES_PASSWORD='changethis'
FIRST_SUPERUSER="admin@example.com"
FIRST_SUPERUSER_PASSWORD="changethis"
PROJECT_NAME="Oh My \\"Coins\\""

# OPENAI_API_KEY=sk-...
SMTP_PASSWORD=
# end of file"""),
        "backend/app/__init__.py": "",
        "backend/app/core/__init__.py": "",
        "backend/app/main.py": text(MAIN.format(module="app.core.config", name="settings", title="PROJECT_NAME")),
        "backend/app/core/config.py": text('''
\ufefffrom pydantic import EmailStr, Field, computed_field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    # --- general ---
    PROJECT_NAME: str = 'Oh My "Coins"'
    ENVIRONMENT: str = "local"
    SECRET_KEY: str = Field(
        ...,
        description="""Signs the tokens:
class Settings in the documentation says how.""",
    )
    # --- database ---
    POSTGRES_SERVER: str = "localhost"
    POSTGRES_PASSWORD: str = ""
    FIRST_SUPERUSER: str
    FIRST_SUPERUSER_PASSWORD: str

    @computed_field
    @property
    def database_uri(self) -> str:
        return f"postgresql://app:{self.POSTGRES_PASSWORD}@{self.POSTGRES_SERVER}/app"

    # --- services ---
    OPENAI_API_KEY: str | None = None  # optional
    SMTP_PASSWORD: str | None = None

    @field_validator("SECRET_KEY")
    @classmethod
    def _not_a_placeholder(cls, value: str) -> str:
        if value == "changethis":
            raise ValueError("SECRET_KEY must be changed")
        return value

    model_config = SettingsConfigDict(env_file=("../.env", ".env"), extra="ignore")


settings = Settings()'''),
        "docker-compose.yml": text("""
services:
  backend:
    build: ./backend
    env_file: .env
    environment:
      POSTGRES_SERVER: db   # not localhost
      SECRET_KEY: "${SECRET_KEY:?}"
      OPENAI_API_KEY: '${OPENAI_API_KEY}'
"""),
        "infrastructure/terraform/modules/ecs/variables.tf": text("""
variable "environment" { type = string }
variable "secrets_arn" { type = string }
"""),
        "infrastructure/terraform/modules/ecs/main.tf": text("""
resource "aws_ecs_task_definition" "backend" {
  family = "ohmycoins-${var.environment}-backend"
  container_definitions = jsonencode([
    {
      name  = "backend"
      image = "example/backend"
      # secrets = [ the old list, see the wiki ]
      secrets = [
        { # signs the tokens
          name      = "SECRET_KEY"
          valueFrom = "${var.secrets_arn}:SECRET_KEY::"
        },
        {
          name      = "POSTGRES_PASSWORD"
          valueFrom = "${var.secrets_arn}:POSTGRES_PASSWORD::"
        }, /* ] */
        {
          name      = "OPENAI_API_KEY"
          valueFrom = "${var.secrets_arn}:OPENAI_API_KEY::"
        }
      ]
    }
  ])
}
"""),
        **{f"infrastructure/terraform/environments/{environment}/main.tf": text(f"""
resource "aws_secretsmanager_secret" "app" {{
  name = "ohmycoins-{environment}-app-secrets"
}}

module "ecs" {{
  source      = "../../modules/ecs"
  environment = "{environment}"
  secrets_arn = aws_secretsmanager_secret.app.arn
}}
""") for environment in ("staging", "production")},
    }  # fmt: skip
    return commit(folder, {path: content.replace("\n", "\r\n") for path, content in files.items()})


def json_terraform(folder: Path) -> Path:
    """A tracked .env without a template, Settings with a prefix and aliases, and Terraform in JSON."""
    return commit(folder, {
        ".gitignore": "__pycache__/\n*.pyc\n",
        ".env": text("""
OMC_ENVIRONMENT=local
OMC_SECRET_KEY=5d0c3ce0a1b04c7c9f4b1f0a8e7d4c21
OMC_FIRST_SUPERUSER=admin@example.com
OMC_FIRST_SUPERUSER_PASSWORD=correct-horse-battery
POSTGRES_PASSWORD=local-postgres-password
OPENAI_API_KEY=
"""),
        "service/__init__.py": "",
        "service/main.py": text(MAIN.format(module="service.config", name="settings", title="environment")),
        "service/config.py": text('''
from pydantic import AliasChoices, EmailStr, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="OMC_", env_file=".env", extra="ignore")

    environment: str = "local"
    secret_key: SecretStr
    first_superuser: str
    first_superuser_password: SecretStr
    postgres_password: SecretStr = Field(validation_alias="POSTGRES_PASSWORD")
    openai_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("OPENAI_API_KEY", "OMC_OPENAI_KEY"),
    )


settings = Settings()
'''),
        "compose.yml": text("""
services:
  backend:
    build: .
    env_file: [.env]
"""),
        "tf/main.tf.json": text("""
{
  "variable": {
    "environment": { "type": "string" }
  },
  "data": {
    "aws_secretsmanager_secret": {
      "app": { "name": "ohmycoins-${var.environment}-app-secrets" }
    }
  },
  "locals": {
    "secrets": [
      {
        "name": "OMC_SECRET_KEY",
        "valueFrom": "${data.aws_secretsmanager_secret.app.arn}:SECRET_KEY::"
      },
      {
        "name": "POSTGRES_PASSWORD",
        "valueFrom": "${data.aws_secretsmanager_secret.app.arn}:POSTGRES_PASSWORD::"
      },
      {
        "name": "OPENAI_API_KEY",
        "valueFrom": "${data.aws_secretsmanager_secret.app.arn}:OPENAI_API_KEY::"
      }
    ]
  },
  "resource": {
    "aws_ecs_task_definition": {
      "backend": {
        "family": "ohmycoins-${var.environment}-backend",
        "container_definitions": "${jsonencode([{ name = \\"backend\\", image = \\"x\\", secrets = local.secrets }])}"
      }
    }
  }
}
"""),
        "tf/staging.tfvars.json": '{ "environment": "staging" }\n',
        "tf/production.tfvars.json": '{ "environment": "production" }\n',
    })  # fmt: skip


def community_modules(folder: Path) -> Path:
    """AppConfig made of two mixins in two modules, terraform-aws-modules' service, and a workflow that applies."""
    stack = """
module "backend" {{
  source  = "terraform-aws-modules/ecs/aws//modules/service"
  version = "~> 5.12"

  name        = "ohmycoins-{environment}-backend"
  cluster_arn = module.cluster.arn

  container_definitions = {{
    backend = {{
      image     = "example/backend:{environment}"
      essential = true
      environment = [
        {{ name = "ENVIRONMENT", value = "{environment}" }},
      ]
      secrets = [
        {{ name = "SECRET_KEY", valueFrom = "${{module.secret.secret_arn}}:SECRET_KEY::" }},
        {{ name = "POSTGRES_PASSWORD", valueFrom = "${{module.secret.secret_arn}}:POSTGRES_PASSWORD::" }},
        {{ name = "FIRST_SUPERUSER_PASSWORD", valueFrom = "${{module.secret.secret_arn}}:FIRST_SUPERUSER_PASSWORD::" }},
        {{ name = "OPENAI_API_KEY", valueFrom = "${{module.secret.secret_arn}}:OPENAI_API_KEY::" }},
      ]
    }}
    log-router = {{
      image                  = "public.ecr.aws/aws-observability/aws-for-fluent-bit:stable"
      firelens_configuration = {{ type = "fluentbit" }}
    }}
  }}
}}

module "secret" {{
  source  = "terraform-aws-modules/secrets-manager/aws"
  version = "~> 1.3"
  name    = "ohmycoins-{environment}-app-secrets"
}}

module "cluster" {{
  source       = "terraform-aws-modules/ecs/aws//modules/cluster"
  cluster_name = "ohmycoins-{environment}"
}}
"""
    return commit(folder, {
        ".gitignore": ".env\n",
        ".env.example": text("""
ENVIRONMENT=local
SECRET_KEY=change-me
POSTGRES_PASSWORD=change-me
FIRST_SUPERUSER=admin@example.com
FIRST_SUPERUSER_PASSWORD=change-me
OPENAI_API_KEY=
"""),
        "backend/app/__init__.py": "",
        "backend/app/config/__init__.py": text('''
"""`from app.config import config` is all that the rest needs."""

from app.config.application import AppConfig

config = AppConfig()
'''),
        "backend/app/config/secrets.py": text("""
from pydantic import SecretStr
from pydantic_settings import BaseSettings


class SecretsMixin(BaseSettings):
    SECRET_KEY: SecretStr
    POSTGRES_PASSWORD: SecretStr
    FIRST_SUPERUSER_PASSWORD: SecretStr
    OPENAI_API_KEY: SecretStr | None = None
"""),
        "backend/app/config/application.py": text("""
from pydantic_settings import SettingsConfigDict

from app.config.secrets import SecretsMixin


class AppConfig(SecretsMixin):
    model_config = SettingsConfigDict(env_file=".env", extra="forbid")

    ENVIRONMENT: str = "local"
    FIRST_SUPERUSER: str = "admin@example.com"
    TITLE: str = "platform"
"""),
        "backend/app/main.py": text(MAIN.format(module="app.config", name="config", title="TITLE")),
        "docker-compose.yml": text("""
services:
  backend: &backend
    build: backend
    env_file: [.env]
    environment:
      ENVIRONMENT: local
  worker:
    <<: *backend
    command: celery worker
    profiles: ["worker"]
"""),
        **{f"terraform/{environment}/main.tf": text(stack.format(environment=environment))
           for environment in ("staging", "production")},
        ".github/workflows/deploy.yml": text("""
name: Deploy
on:
  push:
    branches: [main]
    paths: ["terraform/**"]
env:
  AWS_REGION: ap-southeast-2
jobs:
  staging:
    runs-on: ubuntu-latest
    environment: staging
    env:
      SECRET_KEY: ${{ secrets.SECRET_KEY }}
      OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}
    steps:
      - uses: actions/checkout@v4
      - run: pytest backend
      - run: terraform -chdir=terraform/staging init && terraform -chdir=terraform/staging apply -auto-approve
"""),
    })  # fmt: skip


def merged_maps(folder: Path) -> Path:
    """Settings in a package, Terraform's secrets from merged maps, Compose with extends and several env_files."""
    return commit(folder, {
        ".gitignore": ".env\n.env.local\n",
        ".env.template": text("""
## platform
SECRET_KEY=changethis
POSTGRES_PASSWORD=changethis
FIRST_SUPERUSER=admin@example.com
FIRST_SUPERUSER_PASSWORD=changethis
OPENAI_API_KEY=sk-your-openai-api-key-here
SMTP_PASSWORD=
"""),
        "backend/app/__init__.py": "",
        "backend/app/core/__init__.py": "",
        "backend/app/core/config.py": "from app.core.settings import Settings, settings\n\n"
        '__all__ = ["Settings", "settings"]\n',
        "backend/app/core/settings/__init__.py": text("""
from app.core.settings.platform import PlatformSettings as Settings

settings = Settings()
"""),
        "backend/app/core/settings/base.py": text("""
import pydantic_settings as ps


class CommonSettings(ps.BaseSettings):
    model_config = ps.SettingsConfigDict(env_file=(".env", ".env.local"), extra="ignore", case_sensitive=True)

    PROJECT_NAME: str = "platform"
    ENVIRONMENT: str = "local"
"""),
        "backend/app/core/settings/platform.py": text("""
from typing import Optional

from .base import CommonSettings


class PlatformSettings(CommonSettings):
    SECRET_KEY: str
    POSTGRES_PASSWORD: str
    FIRST_SUPERUSER: str
    FIRST_SUPERUSER_PASSWORD: str
    OPENAI_API_KEY: Optional[str] = None
    SMTP_PASSWORD: Optional[str] = None

    class Defaults:
        locale = "en"
"""),
        "backend/app/main.py": text(MAIN.format(module="app.core.config", name="settings", title="PROJECT_NAME")),
        "compose/base.yml": text("""
services:
  python:
    build: ../backend
    environment:
      ENVIRONMENT: local
      SECRET_KEY: ${SECRET_KEY:?missing}
"""),
        "docker-compose.yml": text("""
services:
  backend:
    extends:
      file: compose/base.yml
      service: python
    env_file:
      - .env
      - path: .env.local
        required: false
"""),
        "terraform/variables.tf": text("""
variable "environment" {
  type = string
}

variable "extra_secrets" {
  type    = map(string)
  default = {}
}
"""),
        "terraform/locals.tf": text("""
locals {
  # variable => key of the secret
  common_secrets = {
    SECRET_KEY        = "SECRET_KEY"
    POSTGRES_PASSWORD = "POSTGRES_PASSWORD"
  }

  backend_secrets = merge(local.common_secrets, {
    FIRST_SUPERUSER          = "FIRST_SUPERUSER"
    FIRST_SUPERUSER_PASSWORD = "FIRST_SUPERUSER_PASSWORD"
    OPENAI_API_KEY           = "OPENAI_API_KEY"
  }, var.extra_secrets)
}
"""),
        "terraform/main.tf": text("""
data "aws_secretsmanager_secret" "app" {
  name = format("ohmycoins-%s-app-secrets", var.environment)
}

resource "aws_ecs_task_definition" "backend" {
  family = "ohmycoins-${var.environment}-backend"
  container_definitions = jsonencode([
    {
      name  = "backend"
      image = "example/backend"
      secrets = [
        for variable, key in local.backend_secrets :
        { name = variable, valueFrom = "${data.aws_secretsmanager_secret.app.arn}:${key}::" }
      ]
    },
    {
      name    = "worker"
      image   = "example/backend"
      command = ["celery", "worker"]
      secrets = [
        for variable, key in local.common_secrets :
        { name = variable, valueFrom = "${data.aws_secretsmanager_secret.app.arn}:${key}::" }
      ]
    },
  ])
}
"""),
        "terraform/env/staging.tfvars": text("""
environment = "staging"
extra_secrets = {
  SMTP_PASSWORD = "SMTP_PASSWORD"
}
"""),
        "terraform/env/production.tfvars": 'environment = "production"\n',
    })  # fmt: skip


def copied_folders(folder: Path) -> Path:
    """Each environment a folder with its own copy, lists joined by concat(), class Config, a frontend beside."""
    stack = text("""
variable "secret_keys" {
  type = map(string)
}

locals {
  prefix = "ohmycoins-ENVIRONMENT"
  shared = [
    { name = "SECRET_KEY", valueFrom = "${aws_secretsmanager_secret.app.arn}:SECRET_KEY::" },
    { name = "POSTGRES_PASSWORD", valueFrom = "${aws_secretsmanager_secret.app.arn}:POSTGRES_PASSWORD::" },
  ]
}

resource "aws_secretsmanager_secret" "app" {
  name = "${local.prefix}-app-secrets"
}

resource "aws_secretsmanager_secret_version" "app" {
  secret_id     = aws_secretsmanager_secret.app.id
  secret_string = jsonencode({ for key, hint in var.secret_keys : key => "CHANGE_ME ${hint}" })
  lifecycle { ignore_changes = [secret_string] }
}

resource "aws_ecs_task_definition" "backend" {
  family = "${local.prefix}-backend"
  container_definitions = jsonencode([{
    name  = "backend"
    image = "example/backend"
    secrets = concat(local.shared, [
      { name = "OPENAI_API_KEY", valueFrom = "${aws_secretsmanager_secret.app.arn}:OPENAI_API_KEY::" },
    ])
  }])
}
""")
    tfvars = 'secret_keys = {\n  SECRET_KEY        = "hex"\n  POSTGRES_PASSWORD = ""\n  OPENAI_API_KEY    = "sk-"\n}\n'
    return commit(folder, {
        ".gitignore": "*.env\n.env\n!.env.example\n",
        ".env.example": text("""
# required
SECRET_KEY=
POSTGRES_PASSWORD=
FIRST_SUPERUSER=
FIRST_SUPERUSER_PASSWORD=

# optional
#   get it from the platform's page
OPENAI_API_KEY=

# frontend, see frontend/.env
VITE_API_URL=http://localhost:8000
VITE_SENTRY_DSN=
"""),
        "frontend/.env.example": "VITE_API_URL=http://localhost:8000\nVITE_SENTRY_DSN=\n",
        "frontend/src/main.ts": "Sentry.init({ dsn: import.meta.env.VITE_SENTRY_DSN });\n",
        "backend/requirements.txt": "fastapi\npydantic-settings\n",
        "backend/app/__init__.py": "",
        "backend/app/settings.py": text('''
import os
from typing import List, Optional

from pydantic import field_validator
from pydantic_settings import BaseSettings

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Settings(BaseSettings):
    """
    Settings of the backend.
    """

    class Config:
        env_file = os.path.join(ROOT, ".env")
        extra = "ignore"

    TITLE: str = "platform"
    ALLOWED_HOSTS: List[str] = [
        "localhost",
    ]
    SECRET_KEY: str
    POSTGRES_PASSWORD: str
    FIRST_SUPERUSER: str
    FIRST_SUPERUSER_PASSWORD: str
    OPENAI_API_KEY: Optional[str] = None

    @field_validator("FIRST_SUPERUSER")
    @classmethod
    def address(cls, value: str) -> str:
        if "@" not in value:
            raise ValueError("FIRST_SUPERUSER must be an e-mail address")
        return value

    def is_local(self) -> bool:
        return os.getenv("ENVIRONMENT", "local") == "local"


def get_settings() -> Settings:
    return Settings()
'''),
        "backend/app/main.py": text("""
from fastapi import FastAPI

from .settings import get_settings

app = FastAPI(title=get_settings().TITLE)
"""),
        "docker-compose.yml": text("""
services:
  backend:
    build: backend
    env_file:
      - ./.env
    environment:
      - "SECRET_KEY"
  frontend:
    build: frontend
    environment:
      VITE_SENTRY_DSN: "$VITE_SENTRY_DSN"
"""),
        **{f"infrastructure/{environment}/ecs.tf": stack.replace("ENVIRONMENT", environment)
           for environment in ("staging", "production")},
        **{f"infrastructure/{environment}/terraform.tfvars": tfvars for environment in ("staging", "production")},
    })  # fmt: skip


CHECKOUTS: dict[str, Callable[[Path], Path]] = {
    make.__name__: make
    for make in (
        nested_settings,
        environ_only,
        monorepo,
        windows,
        json_terraform,
        community_modules,
        merged_maps,
        copied_folders,
    )
}


def flask_dynaconf(folder: Path) -> Path:
    """Settings by dynaconf with a prefix, the whole of Terraform in JSON, .tfvars.json, and Compose with a list."""
    arn = "${aws_secretsmanager_secret.app.arn}"
    references = ",\n".join(
        f'                {{ "name": "SHOP_{name}", "valueFrom": "{arn}:SHOP_{name}::" }}'
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
"""Four more, written later, again before the package was tried on any of them."""
