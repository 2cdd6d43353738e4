"""The texts of a checkout of the platform, written by hand for tests: what a developer's machine has of it."""

TEMPLATE = """\
# =============================================================================
# Oh My Coins: environment of a developer's machine
# =============================================================================
# Copy this file to .env and set what is marked as required:
#   cp .env.template .env
# Never commit .env.

# =============================================================================
# General
# =============================================================================

# Domain under which the platform is reached
DOMAIN=localhost

# Used by the backend to build links in e-mails
FRONTEND_HOST=http://localhost:5173

ENVIRONMENT=local  # local, staging or production

PROJECT_NAME="Oh My Coins"
STACK_NAME=oh-my-coins

# =============================================================================
# Backend
# =============================================================================

# Origins that may call the API, separated by commas
BACKEND_CORS_ORIGINS="http://localhost,http://localhost:5173"
API_V1_STR=/api/v1

# JWT secret key (required)
# Generate with: openssl rand -hex 32
SECRET_KEY=your-secret-key-here

ACCESS_TOKEN_EXPIRE_MINUTES=11520  # eight days
EMAIL_RESET_TOKEN_EXPIRE_HOURS=48

# Superuser (required): made at the first start
FIRST_SUPERUSER=admin@example.com
FIRST_SUPERUSER_PASSWORD=your-admin-password

USERS_OPEN_REGISTRATION=False
BACKEND_WORKERS=1
REQUEST_TIMEOUT_SECONDS=30
RATE_LIMIT_PER_MINUTE=120

# =============================================================================
# Database
# =============================================================================

POSTGRES_SERVER=localhost
POSTGRES_PORT=5432
POSTGRES_DB=app
POSTGRES_USER=postgres

# Database password (required)
# Generate with: openssl rand -base64 32
POSTGRES_PASSWORD=your-postgres-password

POSTGRES_POOL_SIZE=5
POSTGRES_MAX_OVERFLOW=10
POSTGRES_SSLMODE='prefer'
# Set DATABASE_ECHO=True to see every statement in the log.
DATABASE_ECHO=False

# =============================================================================
# Redis
# =============================================================================

REDIS_HOST=localhost
REDIS_PORT=6379
REDIS_DB=0
# Password of Redis (optional), none on a developer's machine
REDIS_PASSWORD=
REDIS_TTL_SECONDS=300

# One URL in place of the above
# REDIS_URL=redis://localhost:6379/0

# =============================================================================
# E-mail (optional: leave empty to disable e-mails)
# =============================================================================

SMTP_HOST=smtp.gmail.com
SMTP_USER=your-email@gmail.com
# App password, not the password of the account
# Get from: https://myaccount.google.com/apppasswords
SMTP_PASSWORD=your-app-password
SMTP_PORT=587
SMTP_TLS=True
SMTP_SSL=False
EMAILS_FROM_EMAIL=info@example.com
EMAILS_FROM_NAME='Oh My Coins'

# =============================================================================
# Monitoring
# =============================================================================

# Error tracking (optional)
# Get from: https://sentry.io/settings/
SENTRY_DSN=https://your-sentry-dsn@sentry.io/project-id
SENTRY_TRACES_SAMPLE_RATE=0.1

LOG_LEVEL=INFO   # DEBUG, INFO, WARNING or ERROR
LOG_FORMAT="%(levelname)s %(name)s: %(message)s"
METRICS_ENABLED=False

# =============================================================================
# AI agent
# =============================================================================

# AI Agent API Key (required)
# Get from: https://platform.openai.com/api-keys
OPENAI_API_KEY=sk-your-openai-api-key-here

LLM_PROVIDER=openai
LLM_MODEL="gpt-4o-mini"
LLM_TEMPERATURE=0.2
LLM_MAX_TOKENS=2048
LLM_TIMEOUT_SECONDS=60
# LLM_BASE_URL=http://localhost:11434/v1

# Another provider (optional)
# Get from: https://console.anthropic.com/settings/keys
# ANTHROPIC_API_KEY=sk-ant-your-key-here

# =============================================================================
# Market data
# =============================================================================

COLLECTOR_ENABLED=True
COLLECTOR_INTERVAL_SECONDS=300
COLLECTOR_SYMBOLS="BTC,ETH,SOL"  # separated by commas
PRICE_SOURCE=coingecko
BASE_CURRENCY=AUD

# Free tier works without a key (optional)
COINGECKO_API_KEY=

# News (optional)
# Get from: https://cryptopanic.com/developers/api/
# CRYPTOPANIC_API_KEY=<your-cryptopanic-api-key>

# -----------------------------------------------------------------------------
# Exchanges (optional): keys that may read and trade, never withdraw
# -----------------------------------------------------------------------------

# COINSPOT_API_KEY=<your-coinspot-api-key>
# COINSPOT_API_SECRET=<your-coinspot-api-secret>

# BINANCE_API_KEY=<your-binance-api-key>
# BINANCE_API_SECRET=<your-binance-api-secret>

# KRAKEN_API_KEY=<your-kraken-api-key>
# KRAKEN_API_SECRET=<your-kraken-api-secret>

# =============================================================================
# Feature flags
# =============================================================================

FEATURE_PAPER_TRADING=True
FEATURE_LIVE_TRADING=False  # needs the keys of an exchange
FEATURE_ALERTS=False
FEATURE_AGENT=True

# =============================================================================
# Frontend and images
# =============================================================================

VITE_API_URL=http://localhost:8000

# Names of the images that docker compose builds
DOCKER_IMAGE_BACKEND=backend
DOCKER_IMAGE_FRONTEND=frontend
TAG=latest
"""

CONFIG = '''\
"""What the backend is told by its environment."""

import secrets
import warnings
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import (
    AliasChoices,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    HttpUrl,
    PositiveInt,
    computed_field,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

UNSAFE = "changethis"


def split_origins(value: Any) -> Any:
    """Take origins separated by commas as well as a list."""
    if isinstance(value, str) and not value.startswith("["):
        return [origin for origin in (part.strip() for part in value.split(",")) if origin]
    return value


class LLMSettings(BaseSettings):
    """The language model behind the agent."""

    model_config = SettingsConfigDict(env_file="../.env", env_ignore_empty=True, env_prefix="LLM_", extra="ignore")

    PROVIDER: Literal["openai", "anthropic", "local"] = "openai"
    MODEL: str = "gpt-4o-mini"
    TEMPERATURE: float = Field(default=0.2, ge=0, le=2)
    MAX_TOKENS: PositiveInt = 2048
    TIMEOUT_SECONDS: int = 60
    BASE_URL: HttpUrl | None = None


class Settings(BaseSettings):
    """Everything else; read once, when this module is imported."""

    model_config = SettingsConfigDict(
        # One level above ./backend/
        env_file="../.env",
        env_ignore_empty=True,
        extra="ignore",
    )

    # General
    DOMAIN: str = "localhost"
    FRONTEND_HOST: str = "http://localhost:5173"
    ENVIRONMENT: Literal["local", "staging", "production"] = "local"
    PROJECT_NAME: str
    TIMEZONE: str = "Australia/Sydney"

    # API
    API_V1_STR: str = "/api/v1"
    SECRET_KEY: str = secrets.token_urlsafe(32)
    # 60 minutes * 24 hours * 8 days = 8 days
    ACCESS_TOKEN_EXPIRE_MINUTES: int = 60 * 24 * 8
    EMAIL_RESET_TOKEN_EXPIRE_HOURS: int = 48
    BACKEND_CORS_ORIGINS: Annotated[list[AnyHttpUrl] | str, BeforeValidator(split_origins)] = []
    BACKEND_WORKERS: PositiveInt = 1
    REQUEST_TIMEOUT_SECONDS: float = 30
    RATE_LIMIT_PER_MINUTE: int = 120
    USERS_OPEN_REGISTRATION: bool = False

    @computed_field  # type: ignore[prop-decorator]
    @property
    def all_cors_origins(self) -> list[str]:
        """Origins as browsers send them, with the frontend's own."""
        return [str(origin).rstrip("/") for origin in self.BACKEND_CORS_ORIGINS] + [self.FRONTEND_HOST]

    # First superuser
    FIRST_SUPERUSER: str
    FIRST_SUPERUSER_PASSWORD: str

    @field_validator("FIRST_SUPERUSER")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        """The superuser signs in with an e-mail address."""
        if "@" not in value:
            raise ValueError("an e-mail address is expected")
        return value

    # Database
    POSTGRES_SERVER: str
    POSTGRES_PORT: int = 5432
    POSTGRES_USER: str
    POSTGRES_PASSWORD: str
    POSTGRES_DB: str = ""
    POSTGRES_POOL_SIZE: int = 5
    POSTGRES_MAX_OVERFLOW: int = 10
    POSTGRES_SSLMODE: Literal["disable", "prefer", "require", "verify-full"] = "prefer"
    SQL_ECHO: bool = Field(default=False, alias="DATABASE_ECHO")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def SQLALCHEMY_DATABASE_URI(self) -> str:
        """Where the database is, with the login."""
        login = f"{quote(self.POSTGRES_USER, safe='')}:{quote(self.POSTGRES_PASSWORD, safe='')}"
        return f"postgresql+psycopg://{login}@{self.POSTGRES_SERVER}:{self.POSTGRES_PORT}/{self.POSTGRES_DB}"

    # Redis
    REDIS_HOST: str = "localhost"
    REDIS_PORT: int = 6379
    REDIS_DB: int = Field(default=0, ge=0, le=15)
    REDIS_PASSWORD: str | None = None
    REDIS_TTL_SECONDS: int = 300
    CACHE_URL: str | None = Field(
        default=None,
        validation_alias=AliasChoices("REDIS_URL", "CACHE_URL"),
        description="One URL in place of the above",
    )

    # E-mail
    SMTP_HOST: str | None = None
    SMTP_PORT: int = 587
    SMTP_USER: str | None = None
    SMTP_PASSWORD: str | None = None
    SMTP_TLS: bool = True
    SMTP_SSL: bool = False
    EMAILS_FROM_EMAIL: str | None = None
    EMAILS_FROM_NAME: str | None = None
    EMAIL_TEST_USER: str = "test@example.com"

    @model_validator(mode="after")
    def name_the_sender(self) -> Self:
        """Mails come from the project unless somebody else is named."""
        if not self.EMAILS_FROM_NAME:
            self.EMAILS_FROM_NAME = self.PROJECT_NAME
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def emails_enabled(self) -> bool:
        """Whether mails can be sent."""
        return bool(self.SMTP_HOST and self.EMAILS_FROM_EMAIL)

    # Monitoring
    SENTRY_DSN: HttpUrl | None = None
    SENTRY_TRACES_SAMPLE_RATE: float = 0.1
    SENTRY_RELEASE: str | None = None
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    LOG_FORMAT: str = "%(levelname)s %(name)s: %(message)s"
    METRICS_ENABLED: bool = False

    # AI agent
    OPENAI_API_KEY: str
    OPENAI_ORGANIZATION: str | None = None
    ANTHROPIC_API_KEY: str | None = None

    # Market data
    COLLECTOR_ENABLED: bool = True
    COLLECTOR_INTERVAL_SECONDS: PositiveInt = 300
    COLLECTOR_SYMBOLS: str = "BTC,ETH"
    PRICE_SOURCE: str = "coingecko"
    BASE_CURRENCY: Annotated[str, Field(min_length=3, max_length=3)] = "AUD"
    COINGECKO_API_KEY: str | None = None
    CRYPTOPANIC_API_KEY: str | None = None

    # Exchanges
    COINSPOT_API_KEY: str | None = None
    COINSPOT_API_SECRET: str | None = None
    BINANCE_API_KEY: str | None = None
    BINANCE_API_SECRET: str | None = None
    KRAKEN_API_KEY: str | None = None
    KRAKEN_API_SECRET: str | None = None

    # Trading
    TRADING_MAX_ORDER: float = 100.0
    TRADING_DAILY_LOSS_LIMIT: float = 50.0

    # Feature flags
    FEATURE_PAPER_TRADING: bool = True
    FEATURE_LIVE_TRADING: bool = False
    FEATURE_ALERTS: bool = False
    FEATURE_AGENT: bool = True

    def _refuse_default(self, name: str, value: str | None) -> None:
        if value == UNSAFE:
            message = (
                f'The value of {name} is "{UNSAFE}", for security, please change it, at least for deployments.'
            )
            if self.ENVIRONMENT == "local":
                warnings.warn(message, stacklevel=1)
            else:
                raise ValueError(message)

    @model_validator(mode="after")
    def refuse_defaults(self) -> Self:
        """Nothing is deployed with the template's defaults."""
        self._refuse_default("SECRET_KEY", self.SECRET_KEY)
        self._refuse_default("POSTGRES_PASSWORD", self.POSTGRES_PASSWORD)
        self._refuse_default("FIRST_SUPERUSER_PASSWORD", self.FIRST_SUPERUSER_PASSWORD)
        return self


llm = LLMSettings()
settings = Settings()  # type: ignore[call-arg]
'''

MAIN = '''\
"""The backend's entry."""

from app.core.config import settings

print(f"{settings.PROJECT_NAME}: {settings.ENVIRONMENT}, API at {settings.API_V1_STR}")
'''

COMPOSE = """\
services:
  db:
    image: postgres:17
    restart: always
    volumes:
      - app-db-data:/var/lib/postgresql/data/pgdata
    env_file:
      - .env
    environment:
      - PGDATA=/var/lib/postgresql/data/pgdata
      - POSTGRES_PASSWORD=${POSTGRES_PASSWORD?Variable not set}
      - POSTGRES_USER=${POSTGRES_USER?Variable not set}
      - POSTGRES_DB=${POSTGRES_DB?Variable not set}
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U $${POSTGRES_USER} -d $${POSTGRES_DB}"]
      interval: 10s
      timeout: 10s
      retries: 5

  redis:
    image: redis:7-alpine
    restart: always
    volumes:
      - app-redis-data:/data

  backend:
    image: "${DOCKER_IMAGE_BACKEND?Variable not set}:${TAG-latest}"
    restart: always
    build:
      context: ./backend
    depends_on:
      db:
        condition: service_healthy
      redis:
        condition: service_started
    env_file:
      - .env
    environment:
      - DOMAIN=${DOMAIN}
      - FRONTEND_HOST=${FRONTEND_HOST?Variable not set}
      - ENVIRONMENT=${ENVIRONMENT}
      - BACKEND_CORS_ORIGINS=${BACKEND_CORS_ORIGINS}
      - SECRET_KEY=${SECRET_KEY?Variable not set}
      - FIRST_SUPERUSER=${FIRST_SUPERUSER?Variable not set}
      - FIRST_SUPERUSER_PASSWORD=${FIRST_SUPERUSER_PASSWORD?Variable not set}
      - SMTP_HOST=${SMTP_HOST}
      - SMTP_USER=${SMTP_USER}
      - SMTP_PASSWORD=${SMTP_PASSWORD}
      - EMAILS_FROM_EMAIL=${EMAILS_FROM_EMAIL}
      - POSTGRES_SERVER=db
      - POSTGRES_PORT=${POSTGRES_PORT}
      - POSTGRES_DB=${POSTGRES_DB}
      - POSTGRES_USER=${POSTGRES_USER?Variable not set}
      - POSTGRES_PASSWORD=${POSTGRES_PASSWORD?Variable not set}
      - REDIS_HOST=redis
      - SENTRY_DSN=${SENTRY_DSN}
      - LOG_LEVEL=${LOG_LEVEL:-INFO}

  frontend:
    image: "${DOCKER_IMAGE_FRONTEND?Variable not set}:${TAG-latest}"
    restart: always
    build:
      context: ./frontend
      args:
        VITE_API_URL: ${VITE_API_URL:-http://localhost:8000}
        NODE_ENV: production

volumes:
  app-db-data:
  app-redis-data:
"""

OVERRIDE = """\
# Ports of a developer's machine; docker compose lays this over docker-compose.yml by itself.
services:
  db:
    restart: "no"
    ports:
      - "5432:5432"

  redis:
    restart: "no"
    ports:
      - "6379:6379"

  backend:
    restart: "no"
    ports:
      - "8000:8000"

  frontend:
    restart: "no"
    ports:
      - "5173:80"
"""

README = """\
# Oh My Coins

Collects prices and news of coins, and trades on paper.

    cp .env.template .env
    docker compose up -d
"""

PACKAGE_JSON = """\
{
  "name": "frontend",
  "private": true,
  "version": "0.1.0"
}
"""

IGNORED = """\
.env
__pycache__/
.venv/
node_modules/
.terraform/
*.tfstate
*.tfstate.backup
"""

FILES = {
    ".env.template": TEMPLATE,
    ".gitignore": IGNORED,
    "README.md": README,
    "backend/app/__init__.py": "",
    "backend/app/core/__init__.py": "",
    "backend/app/core/config.py": CONFIG,
    "backend/app/main.py": MAIN,
    "docker-compose.override.yml": OVERRIDE,
    "docker-compose.yml": COMPOSE,
    "frontend/package.json": PACKAGE_JSON,
}
