"""local_setup and add_key on eight checkouts of other shapes: what they edit, what they leave, and what they say."""

# Written before the first run. For each checkout: the lines that adding a key gives each file (in part), and what the
# runbook has to name instead of editing it. No other file changes.
ADDED: dict[tuple[str, str], tuple[dict[str, str], tuple[str, ...]]] = {
    ("nested_settings", "ANTHROPIC_API_KEY"): (
        {
            "src/app/settings.py": "anthropic_api_key: str | None = None",
            ".env.example": "ANTHROPIC_API_KEY=",
            "infra/modules/service/variables.tf": '"ANTHROPIC_API_KEY",',
        },
        (),
    ),
    ("nested_settings", "S3_KEY2"): (
        {
            "src/app/settings.py": "s3_key2: str | None = None",
            ".env.example": "S3_KEY2=",
            "infra/modules/service/variables.tf": '"S3_KEY2",',
        },
        (),
    ),
    # smtp.user reads it already
    ("nested_settings", "SMTP__USER"): (
        {".env.example": "SMTP__USER=", "infra/modules/service/variables.tf": '"SMTP__USER",'},
        (),
    ),
    ("nested_settings", "OPENAI_API_KEY"): ({}, ()),
    # without a Settings class, the person is told to read the variable; Compose's list and the initial values are named
    ("environ_only", "ANTHROPIC_API_KEY"): (
        {
            ".env.sample": "ANTHROPIC_API_KEY=",
            "terraform/ecs.tf": '{ name = "ANTHROPIC_API_KEY", valueFrom = "${local.arn}:ANTHROPIC_API_KEY::" }',
        },
        ("Settings", "docker-compose.yml", "terraform/secrets.tf"),
    ),
    ("environ_only", "OPENAI_API_KEY"): ({}, ()),
    ("monorepo", "ALPHA2_API_KEY"): (
        {
            "apps/api/app/core/config.py": "ALPHA2_API_KEY: str | None = None",
            ".env.dist": "ALPHA2_API_KEY=",
            "deploy/terraform/templates/backend.json.tftpl": '"valueFrom": "${secret_arn}:ALPHA2_API_KEY::"',
        },
        ("compose.yaml",),
    ),
    # a frontend's variable is public, so it is no key of a secret
    ("monorepo", "VITE_MAP_TOKEN"): ({}, ("VITE_",)),
    ("monorepo", "SENTRY_DSN"): ({}, ()),
    ("windows", "ANTHROPIC_API_KEY"): (
        {
            "backend/app/core/config.py": "    ANTHROPIC_API_KEY: str | None = None\r\n",
            ".env.template": "ANTHROPIC_API_KEY=",
            "infrastructure/terraform/modules/ecs/main.tf": '"${var.secrets_arn}:ANTHROPIC_API_KEY::"\r\n',
        },
        (),
    ),
    ("windows", "SMTP_PASSWORD"): (
        {"infrastructure/terraform/modules/ecs/main.tf": '"${var.secrets_arn}:SMTP_PASSWORD::"\r\n'},
        (),
    ),
    ("windows", "OPENAI_API_KEY"): ({}, ()),
    # the prefix would make the application read OMC_NEWS_API_KEY; the tracked .env is no template
    ("json_terraform", "NEWS_API_KEY"): (
        {
            "service/config.py": 'validation_alias="NEWS_API_KEY"',
            "tf/main.tf.json": '"valueFrom": "${data.aws_secretsmanager_secret.app.arn}:NEWS_API_KEY::"',
        },
        (".env",),
    ),
    ("json_terraform", "OPENAI_API_KEY"): ({}, ()),
    ("community_modules", "ANTHROPIC_API_KEY"): (
        {
            "backend/app/config/application.py": "ANTHROPIC_API_KEY: str | None = None",
            ".env.example": "ANTHROPIC_API_KEY=",
            "terraform/staging/main.tf": '"${module.secret.secret_arn}:ANTHROPIC_API_KEY::"',
            "terraform/production/main.tf": '"${module.secret.secret_arn}:ANTHROPIC_API_KEY::"',
        },
        (".github/workflows/deploy.yml",),
    ),
    ("community_modules", "FIRST_SUPERUSER_PASSWORD"): ({}, ()),
    ("merged_maps", "ANTHROPIC_API_KEY"): (
        {
            "backend/app/core/settings/platform.py": "ANTHROPIC_API_KEY: str | None = None",
            ".env.template": "ANTHROPIC_API_KEY=",
            "terraform/locals.tf": "ANTHROPIC_API_KEY",
        },
        (),
    ),
    ("merged_maps", "AUTH0_SECRET"): (
        {
            "backend/app/core/settings/platform.py": "AUTH0_SECRET: str | None = None",
            ".env.template": "AUTH0_SECRET=",
            "terraform/locals.tf": "AUTH0_SECRET",
        },
        (),
    ),
    # staging has it from its tfvars; production not, so that a line in locals.tf or a word about production is due
    ("merged_maps", "SMTP_PASSWORD"): ({"terraform/locals.tf": "SMTP_PASSWORD"}, ()),
    ("copied_folders", "ANTHROPIC_API_KEY"): (
        {
            "backend/app/settings.py": "ANTHROPIC_API_KEY: str | None = None",
            ".env.example": "ANTHROPIC_API_KEY=",
            "infrastructure/staging/ecs.tf": "ANTHROPIC_API_KEY",
            "infrastructure/production/ecs.tf": "ANTHROPIC_API_KEY",
        },
        ("terraform.tfvars",),
    ),
    ("copied_folders", "VITE_SENTRY_DSN"): ({}, ("VITE_",)),
}

# What local_setup generates (each where the template has it), and the exit code once it is applied.
LOCAL: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "nested_settings": (("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"), 0, ()),
    "environ_only": (("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"), 0, ("no class Settings",)),
    "monorepo": (("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"), 0, ()),
    "windows": (("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"), 0, ()),
    # the tracked .env stays as it is, and the way out of git is named
    "json_terraform": ((), 1, ("git rm --cached",)),
    "community_modules": (("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"), 0, ()),
    "merged_maps": (("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"), 0, ()),
    # FIRST_SUPERUSER is required, empty in the template, and nothing that can be generated
    "copied_folders": (("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"), 1, ("FIRST_SUPERUSER",)),
}
