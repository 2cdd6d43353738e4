"""local_setup and add_key on twelve checkouts of other shapes: what they edit, what they leave, and what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hcl2
import pytest
from dotenv import dotenv_values
from support.local_setup_runs import assert_absent, bench, severities, tree, turn
from support.platform_checkout import Platform
from support.unseen_checkouts import CHECKOUTS as EIGHT
from support.unseen_checkouts import FURTHER

from omc_runbook.changes.add_key import plan as add_key
from omc_runbook.model.catalogue import default_keys
from omc_runbook.model.environment import KNOWN, load
from omc_runbook.model.errors import CannotFollow, UsageError
from omc_runbook.report import add_key as report
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.textfile.file import Edit
from omc_runbook.workstation.docker import find_compose

__all__ = ["bench"]

CHECKOUTS = EIGHT | FURTHER

GENERATED = ("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD")

LOCAL: dict[str, tuple[tuple[str, ...], dict[tuple[str, str], str]]] = {
    "nested_settings": (GENERATED, {}),
    "environ_only": (GENERATED, {}),
    "monorepo": (GENERATED, {}),
    # no service of the Compose file is db
    "windows": (GENERATED, {("environment-wins", "POSTGRES_SERVER"): "warning"}),
    # the tracked .env keeps its values
    "json_terraform": (
        (),
        {("committed", ".env"): "error", ("template-value", "OMC_SECRET_KEY"): "warning"},
    ),
    "community_modules": (GENERATED, {}),
    "merged_maps": (GENERATED, {}),
    # required, empty in the template, and nothing that can be generated
    "copied_folders": (GENERATED, {("required-empty", "FIRST_SUPERUSER"): "error"}),
}
"""What local_setup generates, where the template has it, and what it still finds once it is applied."""

FURTHER_LOCAL: dict[str, tuple[tuple[str, ...], set[tuple[str, str]]]] = {
    # a validator of dynaconf demands another one, whose name is of no key
    "flask_dynaconf": (("SHOP_SECRET_KEY",), {("required-empty", "SHOP_DATABASE__PASSWORD")}),
    "tofu_and_templates": (GENERATED, set()),
    "django_template": (("POSTGRES_PASSWORD",), {("required-empty", "DJANGO_SECRET_KEY")}),
    "copilot_without_terraform": (GENERATED, set()),
}
"""The same for the further checkouts, in which nothing reads OPENAI_API_KEY."""

VALUE_FROM = '{{ name = "{0}", valueFrom = "${{{1}}}:{0}::" }},\n'
MEMBER = '{{\n          name      = "{0}"\n          valueFrom = "${{var.secrets_arn}}:{0}::"\n        }}'
FIELD = "    {}: str | None = None\n"
OPTIONAL_FIELD = "    {}: Optional[str] = None\n"

ADDED: dict[tuple[str, str, str], dict[str, str]] = {
    ("nested_settings", "ANTHROPIC_API_KEY", "staging"): {
        "src/app/settings.py": FIELD.format("anthropic_api_key"),
        ".env.example": "ANTHROPIC_API_KEY=<",
        "infra/modules/service/variables.tf": '    "ANTHROPIC_API_KEY",\n  ]',
    },
    ("nested_settings", "S3_KEY2", "staging"): {
        "src/app/settings.py": FIELD.format("s3_key2"),
        ".env.example": "S3_KEY2=<",
        "infra/modules/service/variables.tf": '    "S3_KEY2",\n  ]',
    },
    # smtp.user reads it
    ("nested_settings", "SMTP__USER", "staging"): {
        ".env.example": "SMTP__USER=<",
        "infra/modules/service/variables.tf": '    "SMTP__USER",\n  ]',
    },
    ("environ_only", "ANTHROPIC_API_KEY", "staging"): {
        ".env.sample": "ANTHROPIC_API_KEY=<",
        "docker-compose.yml": "      - ANTHROPIC_API_KEY\n",
        "terraform/ecs.tf": VALUE_FROM.format("ANTHROPIC_API_KEY", "local.arn"),
    },
    ("environ_only", "OPENAI_API_KEY", "staging"): {},
    ("monorepo", "ANTHROPIC_API_KEY", "staging"): {
        "apps/api/app/core/config.py": FIELD.format("ANTHROPIC_API_KEY"),
        ".env.dist": "ANTHROPIC_API_KEY=<",
        "compose.yaml": "      SENTRY_DSN: ${SENTRY_DSN}\n      ANTHROPIC_API_KEY: ${ANTHROPIC_API_KEY}\n",
        "deploy/terraform/templates/backend.json.tftpl": (
            '      { "name": "ANTHROPIC_API_KEY", "valueFrom": "${secret_arn}:ANTHROPIC_API_KEY::" },\n'
        ),
    },
    ("windows", "ANTHROPIC_API_KEY", "staging"): {
        "backend/app/core/config.py": FIELD.format("ANTHROPIC_API_KEY"),
        ".env.template": "ANTHROPIC_API_KEY=<",
        "infrastructure/terraform/modules/ecs/main.tf": MEMBER.format("ANTHROPIC_API_KEY"),
    },
    ("windows", "SMTP_PASSWORD", "staging"): {
        "infrastructure/terraform/modules/ecs/main.tf": MEMBER.format("SMTP_PASSWORD")
    },
    ("windows", "OPENAI_API_KEY", "staging"): {},
    ("community_modules", "ANTHROPIC_API_KEY", "production"): {
        "backend/app/config/application.py": FIELD.format("ANTHROPIC_API_KEY"),
        ".env.example": "ANTHROPIC_API_KEY=<",
        "terraform/production/main.tf": VALUE_FROM.format("ANTHROPIC_API_KEY", "module.secret.secret_arn"),
    },
    # staging's own map comes last, and production has none
    ("merged_maps", "ANTHROPIC_API_KEY", "staging"): {
        "backend/app/core/settings/platform.py": OPTIONAL_FIELD.format("ANTHROPIC_API_KEY"),
        ".env.template": "ANTHROPIC_API_KEY=<",
        "terraform/env/staging.tfvars": '  ANTHROPIC_API_KEY = "ANTHROPIC_API_KEY"\n}',
    },
    ("merged_maps", "AUTH0_SECRET", "production"): {
        "backend/app/core/settings/platform.py": OPTIONAL_FIELD.format("AUTH0_SECRET"),
        ".env.template": "AUTH0_SECRET=<",
        "terraform/locals.tf": '    AUTH0_SECRET             = "AUTH0_SECRET"\n  }, var.extra_secrets)',
    },
    ("merged_maps", "SMTP_PASSWORD", "staging"): {},
    ("copied_folders", "ANTHROPIC_API_KEY", "production"): {
        "backend/app/settings.py": OPTIONAL_FIELD.format("ANTHROPIC_API_KEY"),
        ".env.example": "ANTHROPIC_API_KEY=<your-anthropic-api-key>\n\n# frontend",
        "infrastructure/production/ecs.tf": VALUE_FROM.format("ANTHROPIC_API_KEY", "aws_secretsmanager_secret.app.arn"),
    },
    ("flask_dynaconf", "SHOP_NEWS_API_KEY", "production"): {
        ".env.example": "SHOP_NEWS_API_KEY=<",
        "infra/main.tf.json": (
            ' { "name": "SHOP_NEWS_API_KEY",'
            ' "valueFrom": "${aws_secretsmanager_secret.app.arn}:SHOP_NEWS_API_KEY::" },\n'
        ),
        "docker-compose.yml": "      SHOP_NEWS_API_KEY: ${SHOP_NEWS_API_KEY-}\n",
    },
    ("tofu_and_templates", "ANTHROPIC_API_KEY", "production"): {
        "src/ledger/settings.py": FIELD.format("ANTHROPIC_API_KEY"),
        ".env.template": "ANTHROPIC_API_KEY=<",
        "infra/live/production/main.tofu": '    "ANTHROPIC_API_KEY",\n  ]',
        "compose.yaml": "      - ANTHROPIC_API_KEY\n",
        ".github/workflows/preview.yaml": "      ANTHROPIC_API_KEY: ${{ secrets.ANTHROPIC_API_KEY }}\n    steps:",
    },
    ("django_template", "ANTHROPIC_API_KEY", "staging"): {
        ".env.sample": "ANTHROPIC_API_KEY=<",
        "terraform/task-definitions/web.json": (
            '        "name": "ANTHROPIC_API_KEY",\n        "valueFrom": "${secret_arn}:ANTHROPIC_API_KEY::"\n      },\n'
        ),
    },
    ("copilot_without_terraform", "ANTHROPIC_API_KEY", "staging"): {
        "api/app/config.py": FIELD.format("anthropic_api_key"),
        ".env.dist": "ANTHROPIC_API_KEY=<",
        "deploy/api.yml": "      ANTHROPIC_API_KEY: ${ANTHROPIC_API_KEY}\n",
    },
}
"""By checkout, key and environment: a part of what each file gets, with most files' line ends. No other changes."""

REFUSED = {
    (
        "nested_settings",
        "OPENAI_API_KEY",
    ): 'settings.py, line 32: .* to use it, set type = "SecretStr" and required = Fal',
    ("monorepo", "VITE_MAP_TOKEN"): "a secret in it is public. Add MAP_TOKEN to the backend",
    ("monorepo", "SENTRY_DSN"): 'config.py, line 26: .* set type = "HttpUrl" and required = False',
    ("json_terraform", "NEWS_API_KEY"): r"has no \.env\.template: write one that names the variables \(\.env\.example",
    ("community_modules", "FIRST_SUPERUSER_PASSWORD"): 'config/secrets.py, line 8: .* set type = "SecretStr" and requ',
    ("flask_dynaconf", "NEWS_API_KEY"): "which dynaconf puts before .*: use the key SHOP_NEWS_API_KEY",
    ("copied_folders", "VITE_SENTRY_DSN"): "a secret in it is public. Add SENTRY_DSN to the backend",
}
"""What is refused, and the way on."""

READS = {
    "monorepo": ("apps/api", "from app.core.config import settings; print(settings.ANTHROPIC_API_KEY)"),
    "nested_settings": ("src", "from app.settings import settings; print(settings.anthropic_api_key)"),
    "windows": ("backend", "from app.core.config import settings; print(settings.ANTHROPIC_API_KEY)"),
    "community_modules": ("backend", "from app.config import config; print(config.ANTHROPIC_API_KEY)"),
    "merged_maps": ("backend", "from app.core.config import settings; print(settings.ANTHROPIC_API_KEY)"),
    "copied_folders": ("backend", "from app.settings import get_settings; print(get_settings().ANTHROPIC_API_KEY)"),
}
"""How the application has the new key's value: the folder that it runs in, and the code."""


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("name", LOCAL)
def test_local_setup(tmp_path: Path, name: str) -> None:
    """Dry it changes nothing; applied it fills the .env, which Settings accept; again it has nothing to do."""
    if name == "windows" and not find_compose():
        pytest.skip("no Docker Compose here")
    checkout = Platform(CHECKOUTS[name](tmp_path / "omc"))
    generated, expected = LOCAL[name]
    before = tree(checkout.root)
    assert turn(checkout).exit_code == 1 and tree(checkout.root) == before
    source = tmp_path / "values"
    source.touch(mode=0o600)
    source.write_text("OPENAI_API_KEY=sk-0123456789abcdef0123456789abcdef\n")
    apply_run = turn(checkout, apply=True, values_from=f"file:{source}")
    changes = {path for path, state in tree(checkout.root).items() if before.get(path) != state}
    assert changes - {".", ".git", ".git/omc-runbook"} <= {".env"} and checkout.dotenv.stat().st_mode & 0o777 == 0o600
    dotenv = {key: value or "" for key, value in dotenv_values(checkout.dotenv).items()}
    assert all(len(dotenv[key]) > 30 for key in generated) and dotenv["OPENAI_API_KEY"].startswith("sk-")
    assert b"\r" not in checkout.dotenv.read_bytes() and b"\xef\xbb\xbf" not in checkout.dotenv.read_bytes()
    assert (severities(apply_run), apply_run.exit_code) == (expected, 1 if expected else 0)
    assert "could not be loaded" not in apply_run.shown and "read from the environment only" not in apply_run.shown
    assert ("none: the code reads 7 variables itself" in apply_run.shown) == (name == "environ_only")
    again = turn(checkout, apply=True)
    assert again.plan.is_empty and severities(again) == expected
    assert_absent([dotenv[key] for key in (*generated, "OPENAI_API_KEY")], apply_run.shown, again.shown)


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize("name", FURTHER_LOCAL)
def test_local_setup_of_the_further_ones(tmp_path: Path, name: str) -> None:
    """Applied it fills the .env, and names what is required and still empty; again it has nothing to do."""
    checkout = Platform(FURTHER[name](tmp_path / "omc"))
    generated, expected = FURTHER_LOCAL[name]
    apply_run = turn(checkout, apply=True)
    dotenv = {key: value or "" for key, value in dotenv_values(checkout.dotenv).items()}
    assert all(len(dotenv[key]) > 30 for key in generated)
    assert {*severities(apply_run)} == expected and apply_run.exit_code == (1 if expected else 0)
    assert ("made by dynaconf: 6 names known, read from .env" in apply_run.shown) == (name == "flask_dynaconf")
    again = turn(checkout, apply=True)
    assert again.plan.is_empty and {*severities(again)} == expected
    assert_absent([dotenv[key] for key in generated], apply_run.shown, again.shown)


MOVED = {("merged_maps", "ANTHROPIC_API_KEY"): ('  SMTP_PASSWORD = "SMTP_PASSWORD"',)}
"""The lines of which an edit moves the = into the column of a longer key."""


def edits(
    root: Path, key: str, environment: str = "staging", type: str = "str", required: bool = False
) -> dict[str, Edit]:
    """What add_key would edit for the container backend, by file."""
    new = add_key.describe(key, "Headlines on coins", "https://news.example.com/keys", required, type, ())
    checkout, containers, present = (
        read_checkout(root),
        {environment: ("backend",)},
        [*default_keys(), "SHOP_SECRET_KEY"],
    )
    edits = add_key.KeyEdits(checkout, new, KNOWN, present)
    try:
        planned = edits.plan(containers)
    except CannotFollow as error:
        assert edits.find_by_hand(containers, error)
        planned = edits.plan({})
    return {edit.file.name: edit for edit in planned}


@pytest.mark.parametrize(
    ("name", "field", "template", "reference", "arn", "stack"),
    [
        (
            "nested_settings",
            "the field, in src/app/settings.py",
            ".env.example",
            "infra/modules/service/main.tf",
            "aws_secretsmanager_secret.app.arn",
            "infra/envs/staging",
        ),
        ("environ_only", "the code that needs it", ".env.sample", "terraform/ecs.tf", "local.arn", "terraform"),
        (
            "copied_folders",
            "the field, in backend/app/settings.py",
            ".env.example",
            "infrastructure/staging/ecs.tf",
            "aws_secretsmanager_secret.app.arn",
            "infrastructure/staging",
        ),
    ],
)
def test_the_steps_by_hand_name_the_checkouts_own_files(
    tmp_path: Path, name: str, field: str, template: str, reference: str, arn: str, stack: str
) -> None:
    """Settings, the template, the container's file with its ARN, and the folder in which Terraform is applied."""
    checkout = read_checkout(CHECKOUTS[name](tmp_path / "omc"))
    text = report.by_hand(load("staging"), "NEWS_KEY", checkout).to_text()
    assert f"1. {field}\n" in text and f"2. the template, in {template}\n" in text
    assert f"3. the reference, in {reference}\n" in text and f'valueFrom = "${{{arn}}}:NEWS_KEY::"' in text
    assert f"cd {stack} && terraform apply" in text


def apply(planned: dict[str, Edit]) -> None:
    for edit in planned.values():
        edit.file.path.write_bytes(edit.after)


@pytest.mark.parametrize(("name", "key", "environment"), ADDED)
def test_add_key(tmp_path: Path, name: str, key: str, environment: str) -> None:
    """Each file gets its lines once, stays valid, and the application has the value."""
    root = CHECKOUTS[name](tmp_path / "omc")
    expected, planned = ADDED[name, key, environment], edits(root, key, environment)
    assert planned.keys() == expected.keys()
    for file, edit in planned.items():
        before, after = edit.file.raw.decode(), edit.after.decode()
        newline = edit.file.newline
        assert expected[file].replace("\n", newline) in after and after.count(newline) == after.count("\n")
        assert set(before.splitlines()) <= {*after.splitlines(), *MOVED.get((name, key), ())}
    apply(planned)
    assert edits(root, key, environment) == {}
    for file in planned:
        if file.endswith((".tf", ".tfvars")):
            hcl2.loads((root / file).read_text())
    if name in READS and key == "ANTHROPIC_API_KEY":
        folder, code = READS[name]
        required = dict.fromkeys((*GENERATED, "FIRST_SUPERUSER"), "a@example.com")
        process = subprocess.run(
            [sys.executable, "-B", "-c", code],
            cwd=root / folder,
            env=required | {key: "a value", "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
        )
        assert (process.stdout, process.stderr) == ("a value\n", "")


@pytest.mark.parametrize(("name", "key"), REFUSED)
def test_add_key_refuses_with_a_way_on(tmp_path: Path, name: str, key: str) -> None:
    """In one sentence on what, where and what next."""
    root = CHECKOUTS[name](tmp_path / "omc")
    with pytest.raises(UsageError, match=REFUSED[name, key]):
        edits(root, key)


def test_the_way_on_from_a_refusal_works(tmp_path: Path) -> None:
    """An existing field with its type, a field and references written by hand, a new template, a key with a prefix."""
    nested, community = (CHECKOUTS[name](tmp_path / name) for name in ("nested_settings", "community_modules"))
    assert edits(nested, "OPENAI_API_KEY", type="SecretStr") == {}
    assert edits(community, "FIRST_SUPERUSER_PASSWORD", type="SecretStr", required=True) == {}
    monorepo, prefixed = (CHECKOUTS[name](tmp_path / name) for name in ("monorepo", "json_terraform"))
    by_hand(monorepo / "deploy/terraform/templates/backend.json.tftpl", '"secrets": [', "secret_arn", "ALPHA2_API_KEY")
    files = edits(monorepo, "ALPHA2_API_KEY")
    assert [*files] == ["apps/api/app/core/config.py", ".env.dist", "compose.yaml"]
    apply(files)
    assert edits(monorepo, "ALPHA2_API_KEY") == edits(monorepo, "SENTRY_DSN", type="HttpUrl") == {}

    (prefixed / ".env.example").write_text("OMC_SECRET_KEY=\nOPENAI_API_KEY=\n")
    assert edits(prefixed, "OPENAI_API_KEY", type="SecretStr") == {}
    with pytest.raises(
        UsageError, match="use the key OMC_NEWS_API_KEY, or add a field news_api_key with validation_al"
    ):
        edits(prefixed, "NEWS_API_KEY")
    config, main = prefixed / "service/config.py", prefixed / "tf/main.tf.json"
    field = 'news_api_key: str | None = Field(default=None, validation_alias="NEWS_API_KEY")'
    config.write_text(config.read_text().replace("\n\n\nsettings", f"\n    {field}\n\n\nsettings"))
    for key in ("NEWS_API_KEY", "OMC_MAPS_API_KEY"):
        by_hand(main, '"secrets": [', "data.aws_secretsmanager_secret.app.arn", key)
    assert [*edits(prefixed, "NEWS_API_KEY")] == [".env.example"]
    edit = edits(prefixed, "OMC_MAPS_API_KEY")["service/config.py"]
    assert FIELD.format("maps_api_key") in edit.after.decode()


def by_hand(file: Path, above: str, arn: str, key: str) -> None:
    """Add a reference, in JSON, below a line."""
    reference = f'{{ "name": "{key}", "valueFrom": "${{{arn}}}:{key}::" }},'
    file.write_text(file.read_text().replace(above, f"{above}\n{reference}", 1))
