"""Checkouts of other shapes than the example's: the files of each, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from support.files import write_files
from support.platform_checkout import Platform

CONFIG = "backend/app/core/config.py"
PACKAGES = {"backend/app/__init__.py": "", "backend/app/core/__init__.py": ""}

TRACKED = PACKAGES | {
    ".env": """\
# Domain
DOMAIN=localhost
FRONTEND_HOST=http://localhost:5173
ENVIRONMENT=local

PROJECT_NAME="Full Stack Project"
STACK_NAME=full-stack-project

# Backend
BACKEND_CORS_ORIGINS="http://localhost,http://localhost:5173"
SECRET_KEY=changethis
FIRST_SUPERUSER=admin@example.com
FIRST_SUPERUSER_PASSWORD=changethis

# Emails
SMTP_HOST=
SMTP_USER=
SMTP_PASSWORD=
EMAILS_FROM_EMAIL=info@example.com

# Postgres
POSTGRES_SERVER=localhost
POSTGRES_PORT=5432
POSTGRES_DB=app
POSTGRES_USER=postgres
POSTGRES_PASSWORD=changethis

SENTRY_DSN=

DOCKER_IMAGE_BACKEND=backend
""",
    CONFIG: """\
import secrets
import warnings
from typing import Annotated, Any, Literal

from pydantic import AnyUrl, BeforeValidator, EmailStr, HttpUrl, PostgresDsn, computed_field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from typing_extensions import Self


def parse_cors(v: Any) -> list[str] | str:
    if isinstance(v, str) and not v.startswith("["):
        return [i.strip() for i in v.split(",") if i.strip()]
    return v


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file="../.env", env_ignore_empty=True, extra="ignore")
    SECRET_KEY: str = secrets.token_urlsafe(32)
    FRONTEND_HOST: str = "http://localhost:5173"
    ENVIRONMENT: Literal["local", "staging", "production"] = "local"
    BACKEND_CORS_ORIGINS: Annotated[list[AnyUrl] | str, BeforeValidator(parse_cors)] = []

    @computed_field  # type: ignore[prop-decorator]
    @property
    def all_cors_origins(self) -> list[str]:
        return [str(origin).rstrip("/") for origin in self.BACKEND_CORS_ORIGINS] + [self.FRONTEND_HOST]

    PROJECT_NAME: str
    SENTRY_DSN: HttpUrl | None = None
    POSTGRES_SERVER: str
    POSTGRES_PORT: int = 5432
    POSTGRES_USER: str
    POSTGRES_PASSWORD: str = ""
    POSTGRES_DB: str = ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def SQLALCHEMY_DATABASE_URI(self) -> PostgresDsn:
        return PostgresDsn.build(
            scheme="postgresql+psycopg",
            username=self.POSTGRES_USER,
            password=self.POSTGRES_PASSWORD,
            host=self.POSTGRES_SERVER,
            port=self.POSTGRES_PORT,
            path=self.POSTGRES_DB,
        )

    SMTP_HOST: str | None = None
    SMTP_USER: str | None = None
    SMTP_PASSWORD: str | None = None
    EMAILS_FROM_EMAIL: EmailStr | None = None
    FIRST_SUPERUSER: EmailStr
    FIRST_SUPERUSER_PASSWORD: str

    def _check_default_secret(self, var_name: str, value: str | None) -> None:
        if value == "changethis":
            message = f'The value of {var_name} is "changethis", for security, please change it.'
            if self.ENVIRONMENT == "local":
                warnings.warn(message, stacklevel=1)
            else:
                raise ValueError(message)

    @model_validator(mode="after")
    def _enforce_non_default_secrets(self) -> Self:
        self._check_default_secret("SECRET_KEY", self.SECRET_KEY)
        self._check_default_secret("POSTGRES_PASSWORD", self.POSTGRES_PASSWORD)
        self._check_default_secret("FIRST_SUPERUSER_PASSWORD", self.FIRST_SUPERUSER_PASSWORD)
        return self


settings = Settings()  # type: ignore
""",
    "docker-compose.yml": """\
services:
  db:
    image: postgres:17
    env_file: [.env]
    environment:
      - POSTGRES_PASSWORD=${POSTGRES_PASSWORD?Variable not set}
  prestart:
    image: "${DOCKER_IMAGE_BACKEND?Variable not set}:latest"
    networks: [traefik-public, default]
    depends_on: [db]
    command: bash scripts/prestart.sh
    env_file: [.env]
  backend:
    image: "${DOCKER_IMAGE_BACKEND?Variable not set}:latest"
    networks: [traefik-public, default]
    depends_on:
      prestart:
        condition: service_completed_successfully
    env_file: [.env]
    environment:
      - DOMAIN=${DOMAIN}
      - POSTGRES_SERVER=db
networks:
  traefik-public:
    external: true
""",
}
"""The .env is tracked, and is its own template; an external network; a service that all others wait for."""

PROVIDERS = PACKAGES | {
    ".env.sample": """\
# ---- application ----
ENVIRONMENT=local
APP_SECRET=   # generate with: openssl rand -base64 32

# ---- database ----
DB__HOST=localhost
DB__USER=coins
# openssl rand -base64 24
DB__PASSWORD=

# ---- cache ----
# openssl rand -base64 32
REDIS_PASSWORD=
REDIS_URL=redis://:${REDIS_PASSWORD}@localhost:6379/0

# ---- language model: openai, anthropic or google ----
LLM_PROVIDER=google
# OPENAI_API_KEY=sk-...
# ANTHROPIC_API_KEY=
# Get from: https://aistudio.google.com/apikey
# GOOGLE_API_KEY=your-google-api-key

# COINSPOT_API_KEY=
""",
    CONFIG: """\
from enum import StrEnum
from functools import cached_property

from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Provider(StrEnum):
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GOOGLE = "google"


class Database(BaseModel):
    HOST: str = "localhost"
    USER: str = "coins"
    PASSWORD: SecretStr


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=("../.env", ".env"), env_nested_delimiter="__", env_ignore_empty=True, extra="ignore"
    )

    environment: str = "local"
    app_secret: SecretStr = Field(min_length=32)
    db: Database
    redis_password: SecretStr
    llm_provider: Provider = Provider.OPENAI
    openai_api_key: SecretStr | None = None
    anthropic_api_key: SecretStr | None = None
    google_api_key: SecretStr | None = None
    coinspot_api_key: SecretStr | None = None

    @cached_property
    def broker_url(self) -> str:
        return f"redis://:{self.redis_password.get_secret_value()}@localhost:6379/1"

    @model_validator(mode="after")
    def provider_has_its_key(self) -> "Settings":
        match self.llm_provider:
            case Provider.OPENAI:
                if self.openai_api_key is None:
                    raise ValueError("OPENAI_API_KEY is required for this provider")
            case Provider.ANTHROPIC:
                if self.anthropic_api_key is None:
                    raise ValueError("ANTHROPIC_API_KEY is required for this provider")
            case Provider.GOOGLE:
                if self.google_api_key is None:
                    raise ValueError("GOOGLE_API_KEY is required for this provider")
        return self


def get_settings() -> Settings:
    return Settings()
""",
    "compose.yaml": """\
services:
  redis:
    image: redis:7
    command: redis-server --requirepass ${REDIS_PASSWORD:?set it}
  app:
    build: .
    env_file:
      - .env
    environment:
      REDIS_URL: redis://:${REDIS_PASSWORD}@redis:6379/0
""",
}
"""Settings that nest, in lower case, made by a function; a provider chosen by a variable; no git."""

MONOREPO = PACKAGES | {
    ".env.example": """\
# copied by scripts/bootstrap.sh\r
export ENVIRONMENT=local\r
SECRET_KEY=your-secret-key-here\r
POSTGRES_HOST=localhost\r
POSTGRES_PORT=5432\r
POSTGRES_USER=postgres\r
POSTGRES_PASSWORD=your-postgres-password\r
ALLOWED_HOSTS=["localhost"]\r
# WORKERS=4\r
SENTRY_DSN=\r
OPENAI_API_KEY=sk-your-openai-api-key-here\r
""",
    CONFIG: """\
import os
from urllib.parse import quote

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file="../.env", extra="ignore")

    ENVIRONMENT: str = "local"
    SECRET_KEY: str
    POSTGRES_HOST: str
    POSTGRES_PORT: int = 5432
    POSTGRES_USER: str
    POSTGRES_PASSWORD: str
    ALLOWED_HOSTS: list[str] = []
    WORKERS: int | None = None
    SENTRY_DSN: str | None = None
    OPENAI_API_KEY: str = Field(min_length=20)

    @property
    def database_url(self) -> str:
        login = f"{quote(self.POSTGRES_USER, safe='')}:{quote(self.POSTGRES_PASSWORD, safe='')}"
        return f"postgresql+asyncpg://{login}@{self.POSTGRES_HOST}:{self.POSTGRES_PORT}/coins"


settings = Settings()
""",
    "infrastructure/staging.tfvars": 'db_password = "PASSWORD"\n',
    "docker-compose.yml": """\
services:
  api:
    build:
      context: backend
    env_file: .env
    ports: ["8000:8000"]
  db:
    image: postgis/postgis:16-3.4
    environment:
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD}
""",
}
"""A folder of a larger work tree, with Windows line ends, a .env in its history, and a password in tracked tfvars."""


TOP = {
    "app/core/config.py": MONOREPO[CONFIG].replace('"../.env"', '".env"'),
    ".env.example": MONOREPO[".env.example"].replace("\r", ""),
    ".gitignore": ".env\n",
    "docker-compose.yml": "services:\n  web:\n    build: .\n    env_file: .env\n    ports: ['8000:8000']\n",
}
"""The application at the top, without a folder backend."""


def make_checkout(root: Path, files: Mapping[str, str], git: Path | None = None) -> Platform:
    """Write the files, and commit them in a repository that begins at `git`."""
    write_files(root, files)
    if git is not None:
        Platform(git).begin()
    return Platform(root)
