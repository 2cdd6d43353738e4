"""What stands in the secret and in the variables beside it: cases from AWS's documentation."""

from __future__ import annotations

import base64
import json
import secrets
import textwrap
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from cases.case import Case
from cases.ecs import change, deploy, document, put, redeploy, secret_arn
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.worlds.build import create_service, register
from omc_runbook.sandbox.worlds.roles import base_policy, restore_role, secrets_policy, task_policy
from omc_runbook.sandbox.worlds.staging import CLUSTER, KEYS, SECRET, ServiceSpec, World, restore_log_group
from omc_runbook.sandbox.worlds.vpcs import restore_network

Container = dict[str, Any]
Document = dict[str, Any]

FAILS = ("pull-failed", "rollout-stuck", "breaker-rollback", "task-exits", "start-failed", "not-forced")
"""What follows when new tasks cannot start with what they get: the old ones go on with the former value."""
OPENTOFU = "APN/1.0 OpenTofu/1.8.3 (+https://opentofu.org) terraform-provider-aws/5.70.0 aws-sdk-go-v2/1.32.2"


# What a team does by hand


def revise(world: World, service: str, edit: Callable[[list[Container], str], object]) -> None:
    """Register a revision of a service's task definition with other containers, and deploy it."""
    deploy(world, service, lambda definition: edit(definition["containerDefinitions"], secret_arn(world)))


def inject(world: World, service: str, *keys: str) -> None:
    """Let the service's container have these keys of the secret as well."""

    def add(containers: list[Container], arn: str) -> None:
        containers[0]["secrets"] += [{"name": key, "valueFrom": f"{arn}:{key}::"} for key in keys]

    revise(world, service, add)


def provide(world: World, service: str, **values: object) -> None:
    """Write keys, let the service have them, and bring every consumer up to date."""
    change(world, **values)
    inject(world, service, *values)
    redeploy(world, "worker" if service == "backend" else "backend")


def project(
    world: World,
    name: str,
    values: Mapping[str, object],
    services: Mapping[str, Mapping[str, str] | None],
    edit: Callable[[list[Container], str], object] = lambda containers, arn: None,
) -> str:
    """Another project's staging in an empty account: its secret, and its services with the keys of each by variable.

    A service of None has every key under its own name. `edit` changes the containers of every service.
    """
    stage = f"{name}-staging"
    text = json.dumps(values, ensure_ascii=False)
    arn = world.secretsmanager.create_secret(Name=f"{stage}-app-secrets", SecretString=text)["ARN"]
    role, task_role = f"{stage}-ecs-task-execution-role", f"{stage}-ecs-task-role"
    restore_role(world, role, {"base": base_policy(), "secrets": secrets_policy(f"{arn[:-7]}-??????")})
    restore_role(world, task_role, {"task": task_policy()})
    world.ecs.create_cluster(clusterName=stage)
    network = restore_network(world)
    for service, keys in services.items():
        restore_log_group(world, f"/ecs/{stage}/{service}")
        references = {key: key for key in values} if keys is None else keys
        containers: Any = [container(stage, service, {each: f"{arn}:{key}::" for each, key in references.items()})]
        edit(containers, arn)
        revision = register(world, f"{stage}-{service}", containers, role, task_role)
        create_service(world, ServiceSpec(service, 1, (), breaker=True), revision, network, stage)
    world.settle()
    return f'project = "{name}"\n\n[environments.staging]\nservice = "{next(iter(services))}"\n'


def container(stage: str, name: str, references: Mapping[str, str]) -> Container:
    """A container of the example application, in the role that asks for no variable."""
    options = {
        "awslogs-group": f"/ecs/{stage}/{name}",
        "awslogs-region": REGION,
        "awslogs-stream-prefix": "ecs",
    }
    return {
        "name": name,
        "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{stage}-{name}:1.42.0",
        "essential": True,
        "environment": [{"name": "ENVIRONMENT", "value": "staging"}, {"name": "OMC_APP_ROLE", "value": "frontend"}],
        "secrets": [{"name": variable, "valueFrom": reference} for variable, reference in references.items()],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
    }


def pem(kind: str = "PRIVATE KEY", characters: int = 1600) -> str:
    """Something in the form of a PEM file."""
    body = base64.b64encode(secrets.token_bytes(characters * 3 // 4)).decode()
    return "\n".join([f"-----BEGIN {kind}-----", *textwrap.wrap(body, 64), f"-----END {kind}-----", ""])


def openai_key() -> str:
    """A key of OpenAI, in the form of today's project keys."""
    return f"sk-proj-{secrets.token_urlsafe(60)}"


def password() -> str:
    """A password of letters and digits."""
    return secrets.token_hex(16)


# Faults


def file_url_stored(world: World) -> None:
    """put-secret-value from a tool that does not expand file://, and a deployment."""
    put(world, "file://secrets.json")
    redeploy(world)


def encoded_twice(world: World) -> None:
    """json.dumps twice in a script; only the worker was deployed since."""
    put(world, json.dumps(json.dumps(document(world))))
    redeploy(world, "worker")


def utf16_binary(world: World) -> None:
    """`Out-File` of Windows PowerShell writes UTF-16, and fileb:// stores it as it is."""
    text = json.dumps(document(world), indent=4)
    world.secretsmanager.put_secret_value(SecretId=SECRET, SecretBinary=text.encode("utf-16"))
    redeploy(world, "backend")


def cyrillic_letter(world: World) -> None:
    """A key typed on another keyboard layout: its first letter is Cyrillic."""
    values = document(world)
    values["\N{CYRILLIC CAPITAL LETTER ES}RYPTOPANIC_API_KEY"] = secrets.token_hex(20)
    put(world, values)
    inject(world, "worker", "CRYPTOPANIC_API_KEY")


def grouped(world: World) -> None:
    """Somebody tidied the secret: its keys are in groups now."""
    values = document(world)
    groups: Document = {key: values[key] for key in ("SECRET_KEY", "OPENAI_API_KEY", "POSTGRES_PASSWORD")}
    groups["SMTP_HOST"] = {"value": values["SMTP_HOST"], "port": 587}
    groups |= {key: values[key] for key in ("SMTP_USER", "SMTP_PASSWORD", "SENTRY_DSN")}
    groups["FIRST_SUPERUSER"] = [values["FIRST_SUPERUSER"]]
    groups["FIRST_SUPERUSER_PASSWORD"] = values["FIRST_SUPERUSER_PASSWORD"]
    put(world, groups)
    redeploy(world, "backend")


def chat_id(world: World) -> None:
    """Telegram's ids of groups are long negative numbers."""
    values = {"TELEGRAM_BOT_TOKEN": f"7{secrets.randbelow(10**9):09}:AA{secrets.token_urlsafe(24)}"}
    provide(world, "worker", **values, TELEGRAM_CHAT_ID=-1001673429901)


def doubled_key(world: World) -> None:
    """A merge of two files: the later line of the same key, which counts, is empty."""
    members = json.dumps(document(world), indent=2)
    put(world, f'{members.rstrip()[:-1].rstrip()},\n  "FIRST_SUPERUSER_PASSWORD": ""\n}}')
    redeploy(world, "backend")


def bootstrap_value(world: World) -> str:
    """A required key of the project's own, at the value with which Terraform creates it."""
    provide(world, "worker", COINSPOT_API_SECRET="managed-outside-of-terraform")
    return '[keys.COINSPOT_API_SECRET]\ndescription = "Signs orders at the exchange"\nrequired = true\n'


def opentofu_again(world: World) -> None:
    """OpenTofu writes its initial value of the secret again, in which two keys are placeholders."""
    values = document(world)
    values |= {"OPENAI_API_KEY": "sk-replace-me", "SMTP_PASSWORD": "REPLACE_ME"}
    pipeline = World(world.endpoint, user_agent=OPENTOFU)
    put(pipeline, values)
    redeploy(world)


def header_copied(world: World) -> None:
    """The key was copied out of a curl command with its header."""
    provide(world, "worker", ANTHROPIC_API_KEY=f"x-api-key: sk-ant-api03-{secrets.token_urlsafe(64)}")


def pem_with_blanks(world: World) -> None:
    """The console's key/value editor made one line of a PEM file."""
    provide(world, "worker", KRAKEN_PRIVATE_KEY=" ".join(pem("RSA PRIVATE KEY").split("\n")).strip())


def masked_copy(world: World) -> None:
    """What the provider's page shows of a key once it was created."""
    change(world, OPENAI_API_KEY=f"sk-proj-{'•' * 12}{secrets.token_hex(2)}")
    redeploy(world)


def providers_exchanged(world: World) -> None:
    """The keys of two providers stand at each other's names."""
    values = {"OPENAI_API_KEY": f"sk-ant-api03-{secrets.token_urlsafe(64)}", "ANTHROPIC_API_KEY": openai_key()}
    change(world, **values)
    inject(world, "worker", "ANTHROPIC_API_KEY")
    redeploy(world, "backend")


def broker_left_behind(world: World) -> None:
    """The broker's password was changed at its own key alone, not in the address that the worker uses."""
    address = f"amqps://omc:{password()}@b-7f3d.mq.ap-southeast-2.amazonaws.com:5671/%2Fomc"
    provide(world, "worker", RABBITMQ_USER="omc", RABBITMQ_PASSWORD=password(), CELERY_BROKER_URL=address)


def unescaped_address(world: World) -> None:
    """An address whose password has a # and an @, neither of them escaped."""
    login = f"reporting:{secrets.token_hex(4)}#{secrets.token_hex(3)}/{secrets.token_hex(3)}"
    provide(world, "worker", WAREHOUSE_URL=f"postgresql://{login}@warehouse.internal:5439/omc?sslmode=require")


def comma_in_address(world: World) -> None:
    """The superuser's e-mail address has a comma where a full stop belongs."""
    change(world, FIRST_SUPERUSER="admin@ohmycoins,com")
    redeploy(world, "backend")


def guessable_signing_key(world: World) -> None:
    """A signing key that is long enough, and that anybody can guess."""
    change(world, SECRET_KEY="ohmycoins-staging-secret-key-2026")
    redeploy(world)


def label_moved_back(world: World) -> None:
    """A new value was taken back with update-secret-version-stage, and only the worker deployed since."""
    former = world.secretsmanager.get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")["VersionId"]
    newer = put(world, {**document(world), "OPENAI_API_KEY": openai_key(), "SMTP_PASSWORD": password()})
    redeploy(world)
    world.secretsmanager.update_secret_version_stage(
        SecretId=SECRET, VersionStage="AWSCURRENT", MoveToVersionId=former, RemoveFromVersionId=newer
    )
    redeploy(world, "worker")


def in_the_migration(world: World) -> None:
    """A container for migrations took the worker's references with it."""

    def split(containers: list[Container], arn: str) -> None:
        worker = containers[0]
        first = {**worker, "name": "migrate", "essential": False}
        first.pop("healthCheck", None)
        worker["secrets"] = [each for each in worker["secrets"] if each["name"] != "POSTGRES_PASSWORD"]
        containers.append(first)

    revise(world, "worker", split)


def port_by_name(world: World) -> None:
    """The port of the mail server by the name that a mail client shows for it."""
    provide(world, "backend", SMTP_PORT="465 (SSL)")


def written_beside(world: World) -> None:
    """Somebody wrote the new key in lower case, beside the one that tasks read."""
    change(world, openai_api_key=openai_key())
    redeploy(world)


# Pairs


def arn_and_blank(world: World) -> None:
    """The worker's password is an ARN; a key of the backend ends with a no-break space."""
    values = document(world)
    values["SMTP_PASSWORD\N{NO-BREAK SPACE}"] = values.pop("SMTP_PASSWORD")
    values["WAREHOUSE_PASSWORD"] = (
        f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!db-{secrets.token_hex(8)}-aB3xYz"
    )
    put(world, values)
    inject(world, "worker", "WAREHOUSE_PASSWORD")
    redeploy(world, "backend")


def escaped_and_stale(world: World) -> None:
    """A password out of a web page's source; and the worker has run since before another key was changed."""
    change(world, SMTP_PASSWORD=f"{secrets.token_hex(5)}&amp;{secrets.token_hex(4)}&lt;{secrets.token_hex(3)}")
    redeploy(world)
    change(world, SECRET_KEY=secrets.token_hex(32))
    redeploy(world, "backend")


def blank_and_plain(world: World) -> None:
    """A required password of blanks; and a sidecar of the worker with its API key in clear."""

    def add(containers: list[Container], arn: str) -> None:
        agent = {**containers[0], "name": "datadog-agent", "essential": False, "secrets": []}
        agent.pop("healthCheck", None)
        agent["environment"] = [
            {"name": "DD_API_KEY", "value": secrets.token_hex(16)},
            {"name": "DD_SITE", "value": "datadoghq.com"},
            {"name": "OMC_APP_ROLE", "value": "frontend"},
        ]
        containers.append(agent)

    revise(world, "worker", add)
    change(world, FIRST_SUPERUSER_PASSWORD="   ")
    redeploy(world, "backend")


def base64_and_port(world: World) -> None:
    """A key as Kubernetes stores it; and an address whose port is no number."""
    change(world, OPENAI_API_KEY=base64.b64encode(openai_key().encode()).decode())
    provide(world, "worker", REDIS_URL=f"redis://:{password()}@cache.internal:637g/0")


def object_and_logins(world: World) -> None:
    """A service account's file as JSON itself instead of its text; and a login exchanged with its password."""
    values = document(world)
    account = {"type": "service_account", "project_id": "omc", "private_key": pem(), "client_id": "1078"}
    values["GOOGLE_APPLICATION_CREDENTIALS_JSON"] = account
    values |= {"SMTP_USER": values["SMTP_PASSWORD"], "SMTP_PASSWORD": values["SMTP_USER"]}
    put(world, values)
    inject(world, "worker", "GOOGLE_APPLICATION_CREDENTIALS_JSON")
    redeploy(world, "backend")


# Healthy worlds


def django_shop(world: World) -> str:
    """A shop on Django, with Celery: 25 keys, none of them the guide's but the DSN."""
    raw = f"{secrets.token_hex(6)}@{secrets.token_hex(4)}/{secrets.token_hex(4)}%{secrets.token_hex(4)}"
    cache = password()
    values = {
        "DJANGO_SECRET_KEY": f"{secrets.token_hex(20)}$%^&*(-_=+)#!x",
        "DJANGO_SETTINGS_MODULE": "shop.settings.staging",
        "ALLOWED_HOSTS": ".staging.atlas-shop.example,localhost",
        "CSRF_TRUSTED_ORIGINS": "https://*.staging.atlas-shop.example",
        "DB_HOST": "atlas-staging.cluster-c9x.ap-southeast-2.rds.amazonaws.com",
        "DB_PORT": 5432,
        "DB_NAME": "shop",
        "DB_USER": "shop_app",
        "DB_PASSWORD": raw,
        "DATABASE_URL": f"postgres://shop_app:{quote(raw, safe='')}@atlas-staging.cluster-c9x.ap-southeast-2.rds"
        ".amazonaws.com:5432/shop?sslmode=require",
        "REDIS_PASSWORD": cache,
        "REDIS_URL": f"rediss://:{cache}@master.atlas.cache.amazonaws.com:6379/1",
        "CELERY_BROKER_URL": f"rediss://default:{cache}@master.atlas.cache.amazonaws.com:6379/2",
        "STRIPE_PUBLISHABLE_KEY": f"pk_test_{secrets.token_hex(40)}",
        "STRIPE_SECRET_KEY": f"sk_test_{secrets.token_hex(40)}",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_urlsafe(24)}",
        "EMAIL_HOST": "email-smtp.ap-southeast-2.amazonaws.com",
        "EMAIL_HOST_USER": f"AKIA{secrets.token_hex(8).upper()}",
        "EMAIL_HOST_PASSWORD": base64.b64encode(secrets.token_bytes(33)).decode(),
        "EMAIL_USE_TLS": True,
        "SENTRY_DSN": f"https://{secrets.token_hex(16)}@o448.ingest.us.sentry.io/4507",
        "GOOGLE_OAUTH_CLIENT_ID": f"1078{secrets.randbelow(10**8)}-{secrets.token_hex(16)}.apps.googleusercontent.com",
        "GOOGLE_OAUTH_CLIENT_SECRET": f"GOCSPX-{secrets.token_urlsafe(21)}",
        "SESSION_COOKIE_AGE": "1209600",
        "TAX_RATE": 0.1,
    }
    worker = ("DJANGO_SECRET_KEY", "DATABASE_URL", "CELERY_BROKER_URL", "REDIS_URL", "SENTRY_DSN")
    return project(world, "atlas-shop", values, {"web": None, "celery": {key: key for key in worker}})


def keys_of_crypto(world: World) -> str:
    """PEM files in three spellings, a certificate's chain, a JWK set, and keys of the other kinds."""
    values = {
        "JWT_PRIVATE_KEY": pem("RSA PRIVATE KEY"),
        "JWT_PUBLIC_KEY": pem("PUBLIC KEY", 392).strip(),
        "GITHUB_APP_PRIVATE_KEY": pem().strip().replace("\n", "\\n"),
        "TLS_CHAIN": pem("CERTIFICATE") + pem("CERTIFICATE"),
        "APPLE_P8_BASE64": base64.b64encode(pem("PRIVATE KEY", 200).encode()).decode(),
        "JWKS": json.dumps({"keys": [{"kty": "oct", "kid": "2026-03", "k": secrets.token_urlsafe(32)}]}),
        "SSH_HOST_KEY": pem("OPENSSH PRIVATE KEY", 380),
        "DEPLOY_PUBLIC_KEY": f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{secrets.token_hex(20)} deploy@orbit",
        "FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "WEBHOOK_SECRETS": f"{secrets.token_hex(20)},{secrets.token_hex(20)}",
    }
    return project(world, "orbit-auth", values, {"api": None})


def json_in_json(world: World) -> str:
    """Whole documents as text: a service account, feature flags, a logging configuration, an empty list."""
    account = {"type": "service_account", "project_id": "ledger-2026", "private_key_id": secrets.token_hex(20)}
    account |= {"private_key": pem(), "client_email": "ledger@ledger-2026.iam.gserviceaccount.com", "client_id": "1"}
    values = {
        "GOOGLE_APPLICATION_CREDENTIALS_JSON": json.dumps(account),
        "FEATURE_FLAGS": '{"beta": true, "checkout_v2": {"percent": 25}, "kill_switch": null}',
        "LOGGING_CONFIG": json.dumps({"version": 1, "root": {"level": "INFO", "handlers": ["console"]}}, indent=2),
        "IP_ALLOWLIST": "[]",
        "TENANTS": '[{"id": 1000000, "name": "Ny\\u00f8rk"}, {"id": 2000000, "name": "\\"A\\""}]',
        "API_TOKEN": secrets.token_urlsafe(32),
    }
    return project(world, "ledger", values, {"api": None, "jobs": {"GCP_JSON": "GOOGLE_APPLICATION_CREDENTIALS_JSON"}})


def odd_but_right(world: World) -> str:
    """Other scripts, a passphrase of words, a value of 30 KB, and every character that is special somewhere."""
    values = {
        "ADMIN_PASSPHRASE": "grünes Fahrrad, dreizehn Möwen & 一杯の熱いお茶 🫖",
        "DB_PASSWORD": "$(Zb'q\"`9)\\{~}|;<K>&!*=?,^4w",
        "ALLOWLIST": ",".join(f"10.{a}.{b}.0/24" for a in range(16) for b in range(128)),
        "SIGNING_SECRET": "/" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "GREETING": "Guten Tag, {name}! Dein Guthaben: ${amount}",
        "EMAIL_SUBJECT": "<no subject>",
        "PAGER_PIN_HASH": f"$argon2id$v=19$m=65536,t=3,p=4${secrets.token_urlsafe(16)}${secrets.token_urlsafe(32)}",
        "DATE_FORMAT": "%d.%m.%Y",
        "GMAIL_APP_PASSWORD": " ".join(secrets.token_hex(2) for _ in range(4)),
        "TRACKING_PIXEL": "https://px.moewe.example/t.gif?u=1&amp;v=2",
    }
    return project(world, "moewe", values, {"app": None})


def settings_beside_secrets(world: World) -> None:
    """The platform's own secret with the settings that its Terraform keeps there, optional ones empty."""
    values = {
        "SMTP_HOST": "",
        "SMTP_USER": "",
        "SMTP_PASSWORD": "",
        "SENTRY_DSN": "",
        "POSTGRES_PORT": 5432,
        "SMTP_PORT": 587,
        "SMTP_TLS": True,
        "SMTP_SSL": False,
        "TRADING_MAX_ORDER": 999999,
        "SENTRY_TRACES_SAMPLE_RATE": 0.25,
        "BACKEND_CORS_ORIGINS": '["https://staging.ohmycoins.com", "http://localhost:5173"]',
        "REDIS_URL": "redis://cache.internal:6379/0",
        "EMAILS_FROM_NAME": "Oh M\u00ff Coins",
        "COINGECKO_API_KEY": f"CG-{secrets.token_urlsafe(18)}",
    }
    change(world, **values)
    inject(world, "backend", *(key for key in values if key not in KEYS))
    redeploy(world, "worker")


def names_of_its_own(world: World) -> str:
    """Keys in another style than variables: with hyphens, dots, slashes, and in lower case."""
    values = {
        "openai-api-key": openai_key(),
        "db.password": password(),
        "smtp/user": "mailer@quokka.example",
        "smtp/password": password(),
        "sessionSecret": secrets.token_hex(32),
        "omc-CryptoPanic-testkey": secrets.token_hex(20),
        "2fa_issuer": "Quokka",
    }
    variables = {
        "OPENAI_API_KEY": "openai-api-key",
        "POSTGRES_PASSWORD": "db.password",
        "SMTP_USER": "smtp/user",
        "SMTP_PASSWORD": "smtp/password",
        "SESSION_SECRET": "sessionSecret",
        "NEWS_TOKEN": "omc-CryptoPanic-testkey",
        "TOTP_ISSUER": "2fa_issuer",
    }
    return project(world, "quokka", values, {"api": variables, "mailer": {"SMTP_PASSWORD": "smtp/password"}})


def meant_so(world: World) -> str:
    """A placeholder that is meant, of a provider not used yet, and a worker at rest."""
    provide(world, "backend", BINANCE_API_SECRET="placeholder-until-we-trade-there")
    world.ecs.update_service(cluster=CLUSTER, service="worker", desiredCount=0)
    world.settle()
    return textwrap.dedent(
        """
        [keys.BINANCE_API_SECRET]
        description = "The exchange that comes next year"

        [[accepted]]
        check = "placeholder"
        subject = "*BINANCE_API_SECRET*"
        reason = "No account there before July"
        until = 2099-07-31

        [[accepted]]
        check = "desired-zero"
        subject = "*worker*"
        reason = "Stopped at night"
        """
    )


def pooler_beside(world: World) -> str:
    """PgBouncer beside the application: the application logs in there, PgBouncer at the database."""
    pooled = password()
    values = {
        "DATABASE_URL": f"postgresql+asyncpg://app:{pooled}@127.0.0.1:6432/wombat?prepared_statement_cache_size=0",
        "PGBOUNCER_PASSWORD": pooled,
        "POSTGRES_HOST": "wombat.cluster-x.ap-southeast-2.rds.amazonaws.com",
        "POSTGRES_USER": "wombat_owner",
        "POSTGRES_PASSWORD": password(),
        "SECRET_KEY": secrets.token_urlsafe(48),
    }

    def beside(containers: list[Container], arn: str) -> None:
        names = ("PGBOUNCER_PASSWORD", "POSTGRES_HOST", "POSTGRES_USER", "POSTGRES_PASSWORD")
        pooler = container("wombat-staging", "pgbouncer", {name: f"{arn}:{name}::" for name in names})
        pooler["logConfiguration"] = containers[0]["logConfiguration"]
        containers.append(pooler)

    application = {"DATABASE_URL": "DATABASE_URL", "SECRET_KEY": "SECRET_KEY"}
    return project(world, "wombat", values, {"backend": application}, beside)


def many_addresses(world: World) -> str:
    """Addresses of every kind, with several logins at one server."""
    app, owner, queue, mail = (f"{password()}{end}" for end in ("", "+/=", ":", "@"))
    values = {
        "POSTGRES_USER": "heron_app",
        "POSTGRES_PASSWORD": app,
        "DATABASE_URL": f"postgresql://heron_app:{app}@pg.heron.internal/heron",
        "DATABASE_REPLICA_URL": f"postgresql://heron_app:{app}@pg-ro.heron.internal:5432/heron",
        "MIGRATIONS_DATABASE_URL": f"postgresql://heron_owner:{quote(owner, safe='')}@pg.heron.internal/heron",
        "LOCAL_SOCKET_URL": "postgresql:///heron?host=/var/run/postgresql",
        "MONGODB_URI": f"mongodb+srv://heron:{password()}@cluster0.ab1cd.mongodb.net/?retryWrites=true&w=majority",
        "MONGODB_LEGACY_URI": f"mongodb://heron:{password()}@m1:27017,m2:27017,m3:27017/heron?replicaSet=rs0",
        "AMQP_URL": f"amqps://heron:{quote(queue, safe='')}@mq.heron.internal:5671/%2F",
        "SMTP_URL": f"smtp://mailer%40heron.example:{quote(mail, safe='')}@smtp.heron.example:587",
        "REDIS_URL": "redis://cache.heron.internal:6379",
        "CLICKHOUSE_URL": "http://clickhouse.heron.internal:8123/?database=events",
        "JDBC_URL": "jdbc:postgresql://pg.heron.internal:5432/heron?sslmode=verify-full",
        "KAFKA_BROKERS": "b-1.heron.kafka:9094,b-2.heron.kafka:9094",
        "UPLOADS": "s3://heron-staging-uploads/incoming/",
        "SLACK_WEBHOOK_URL": f"https://hooks.slack.com/services/T0{secrets.token_hex(4)}/B0AB/{secrets.token_hex(12)}",
        "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={secrets.token_hex(20)},x-team=heron",
        "AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=https;AccountName=heron;AccountKey="
        f"{base64.b64encode(secrets.token_bytes(64)).decode()};EndpointSuffix=core.windows.net",
        "SQLSERVER_DSN": f"Server=tcp:sql.heron.internal,1433;User ID=heron;Password={password()};Encrypt=yes;",
    }
    return project(world, "heron", values, {"backend": None})


def like_placeholders(world: World) -> str:
    """Values that mean what they say, though each looks like something that was not filled in."""
    values = {
        "SESSION_COOKIE_SAMESITE": "None",
        "CACHE_BACKEND": "dummy",
        "PGSSLMODE": "require",
        "MFA": "required",
        "EMAIL_VERIFICATION": "none",
        "AVATAR_URL": "https://cdn.numbat.dev/img/placeholder.png",
        "TODO_SERVICE_URL": "https://todo.numbat.internal/api",
        "SMTP_HOST": "smtp.example.com",
        "MAIL_FROM": "no-reply@example.org",
        "STRIPE_SECRET_KEY": f"sk_test_{secrets.token_hex(24)}",
        "RECAPTCHA_SITE_KEY": "6LeIxAcTAAAAAJcZVRqyHh71UMIEGNQ_MXjiZKhI",
        "APP_NAME": "Your Numbat",
        "HELP_TEXT": "Change your password here",
        "SECRET_SANTA_ENABLED": "false",
        "TOKEN_EXPIRY": "3600",
        "PASSWORD_MIN_LENGTH": "12",
        "PASSWORD_RESET_URL": "https://numbat.dev/reset?token={token}",
        "API_KEY_HEADER": "X-API-Key",
        "SIGNING_KEY": secrets.token_hex(32),
    }
    return project(world, "numbat", values, {"web": None})


def only_rewritten(world: World) -> None:
    """After the deployment the JSON was sorted and indented, one label set, and a key that nobody reads added."""
    provide(world, "worker", COINGECKO_API_KEY=f"CG-{secrets.token_urlsafe(18)}")
    first = put(world, json.dumps(document(world), indent=4, sort_keys=True) + "\n")
    put(world, {**dict(reversed(document(world).items())), "_comment": "Ask Kim before you change anything."})
    world.secretsmanager.update_secret_version_stage(
        SecretId=SECRET, VersionStage="BEFORE_COMMENT", MoveToVersionId=first
    )
    world.secretsmanager.tag_resource(SecretId=SECRET, Tags=[{"Key": "Reviewed", "Value": "2026-11"}])


def aliases(world: World) -> None:
    """One password under the names that three programs read, and one address as login and sender."""
    values = document(world)
    shared_password = values["POSTGRES_PASSWORD"]
    names = {"PGPASSWORD": shared_password, "DB_PASSWORD": shared_password, "DATABASE_PASSWORD": shared_password}
    mail = {"EMAILS_FROM_EMAIL": values["SMTP_USER"], "FIRST_SUPERUSER": values["SMTP_USER"]}
    address = f"postgresql+psycopg://app:{shared_password}@db.internal:5432/app"
    provide(world, "worker", **names, DATABASE_URL=address, **mail)


def shared_among_containers(world: World) -> str:
    """One secret for an application, a log router that gets its key in the log's options, and an agent."""
    values = {
        "APP_SECRET": secrets.token_hex(32),
        "DATABASE_URL": f"mysql://bilby:{password()}@aurora.bilby.internal:3306/bilby?charset=utf8mb4",
        "DD_API_KEY": secrets.token_hex(16),
        "SPLUNK_TOKEN": "-".join(secrets.token_hex(length) for length in (4, 2, 2, 2, 6)),
    }

    def beside(containers: list[Container], arn: str) -> None:
        log = containers[0]["logConfiguration"]
        router = container("bilby-staging", "log_router", {})
        router |= {"firelensConfiguration": {"type": "fluentbit"}, "logConfiguration": log}
        agent = container("bilby-staging", "datadog-agent", {"DD_API_KEY": f"{arn}:DD_API_KEY::"})
        agent |= {"essential": False, "logConfiguration": log}
        containers[0]["logConfiguration"] = {
            "logDriver": "awsfirelens",
            "options": {"Name": "splunk", "Host": "splunk.bilby.internal", "Port": "8088", "TLS": "On"},
            "secretOptions": [{"name": "Splunk_Token", "valueFrom": f"{arn}:SPLUNK_TOKEN::"}],
        }
        containers += [router, agent]

    application = {"APP_SECRET": "APP_SECRET", "DATABASE_URL": "DATABASE_URL"}
    return project(world, "bilby", values, {"backend": application}, beside)


def fault(title: str, make: Callable[[World], str | None], *expected: str, beside: tuple[str, ...] = ()) -> Case:
    """A case with a fault, after which new tasks may fail."""
    return Case(title=f"content: {title}", make=make, expected=expected, consequences=(*FAILS, *beside))


def healthy(title: str, make: Callable[[World], str | None], *warnings: str, starts_healthy: bool = False) -> Case:
    """A case without a fault; warnings that an expert would give as well are no errors."""
    return Case(title=f"healthy content: {title}", make=make, consequences=warnings, starts_healthy=starts_healthy)


FAULTS = (
    fault("the path of a file instead of what is in it", file_url_stored, "not-json"),
    fault("JSON in a JSON string", encoded_twice, "not-an-object"),
    fault("UTF-16 of PowerShell as binary", utf16_binary, "binary"),
    fault("a Cyrillic letter in a key", cyrillic_letter, "key-misspelt"),
    fault("an object and a list where texts were", grouped, "nested", beside=("value-refused", "wrong-form")),
    fault("a chat's id as a long number", chat_id, "number-format"),
    # Both are true: the key is there twice, and what counts is empty.
    fault("a key twice, the later one empty", doubled_key, "duplicate-key", "empty", beside=("value-refused",)),
    fault("a placeholder of Terraform for a key of the project's own", bootstrap_value, "placeholder"),
    fault(
        "OpenTofu wrote placeholders again", opentofu_again, "terraform-overwrote", beside=("placeholder", "changethis")
    ),
    fault("a header's name before a provider's key", header_copied, "bad-copy"),
    fault("a PEM file on one line", pem_with_blanks, "bad-copy"),
    fault("what a page shows of a key", masked_copy, "bad-copy", beside=("placeholder", "wrong-form")),
    fault("two providers' keys exchanged", providers_exchanged, "values-exchanged", beside=("wrong-form", "bad-copy")),
    fault("a broker's address with the former password", broker_left_behind, "address-differs"),
    # Its own address is malformed; `url-chars` is about values of which the application makes one.
    fault("an address with an unescaped password", unescaped_address, "wrong-form", beside=("url-chars",)),
    fault("a comma in the superuser's address", comma_in_address, "wrong-form", beside=("value-refused",)),
    fault("a long signing key that is easy to guess", guessable_signing_key, "weak"),
    fault("AWSCURRENT moved back, one service deployed", label_moved_back, "not-forced"),
    fault(
        "a password in the container for migrations alone", in_the_migration, "sidecar-only", beside=("value-refused",)
    ),
    fault("a port by its name", port_by_name, "value-refused", beside=("wrong-form",)),
    fault("a new value at the key's name in lower case", written_beside, "key-unreferenced"),
)
PAIRS = (
    fault("an ARN as password, and a key with a blank", arn_and_blank, "bad-copy", "key-misspelt"),
    fault("a password of HTML, and a worker with an old key", escaped_and_stale, "bad-copy", "not-forced"),
    fault(
        "a password of blanks, and a sidecar's key in clear",
        blank_and_plain,
        "empty",
        "plain-secret",
        beside=("white-space", "value-refused", "weak"),
    ),
    fault("a key in base64, and a port with a letter", base64_and_port, "bad-copy", "wrong-form"),
    fault(
        "an object as value, and a login exchanged", object_and_logins, "nested", "values-exchanged", beside=("weak",)
    ),
)
HEALTHY = (
    healthy("a shop on Django with 25 keys", django_shop),
    healthy("PEM files, certificates and JWK sets", keys_of_crypto),
    healthy("JSON as text", json_in_json),
    healthy("other scripts, passphrases and special characters", odd_but_right),
    healthy("plain settings in the platform's secret", settings_beside_secrets, starts_healthy=True),
    healthy("keys in another style than variables", names_of_its_own),
    healthy("accepted findings", meant_so, starts_healthy=True),
    healthy("PgBouncer beside the application", pooler_beside),
    healthy("addresses of every kind", many_addresses),
    healthy("values that look like placeholders", like_placeholders),
    healthy("the same values in another order", only_rewritten, "key-unreferenced", starts_healthy=True),
    healthy("one password under several names", aliases, starts_healthy=True),
    healthy("a log router's key in the options of the log", shared_among_containers),
)
CASES: tuple[Case, ...] = (*FAULTS, *PAIRS, *HEALTHY)
