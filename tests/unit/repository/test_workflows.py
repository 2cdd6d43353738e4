"""Workflows: what a merge applies or deploys, by file and line, and the variables that they set."""

import time
from pathlib import Path

import pytest

from omc_runbook.repository.compose import read_compose
from omc_runbook.repository.variable_lists import read_compose_lists
from omc_runbook.repository.workflows import Workflows, read_workflows

MAIN = "infrastructure/terraform/modules/ecs/main.tf"
CONFIG = "backend/app/core/config.py"
TERRAFORM = """\
name: Terraform
on:
  push:
    branches: [main]
    paths:
      - "infrastructure/terraform/**"
      - "!infrastructure/terraform/docs/**"
jobs:
  apply:
    runs-on: ubuntu-latest
    defaults:
      run:
        working-directory: infrastructure/terraform/environments/staging
    steps:
      - uses: actions/checkout@v4
      - run: |
          # terraform apply comes later
          terraform init
          terraform plan -out=plan
          terraform apply \\
            -auto-approve plan
"""


def write(root: Path, name: str, text: str) -> Workflows:
    path = root / name if "/" in name else root / ".github/workflows" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return read_workflows(root)


def on_merge(workflows: Workflows, *files: str) -> list[tuple[str, str, str, str]]:
    return [(step.location, step.verb, step.folder, trigger) for step, trigger in workflows.on_merge(files)]


def test_terraform_that_a_push_applies(tmp_path: Path) -> None:
    """The line of the command, where it runs and what starts it; comments and plans apply nothing."""
    workflows = write(tmp_path, "terraform.yml", TERRAFORM)
    step = (
        ".github/workflows/terraform.yml, line 20",
        "terraform apply -auto-approve",
        "infrastructure/terraform/environments/staging",
        "a push to main that touches infrastructure/terraform/**, !infrastructure/terraform/docs/**",
    )
    assert on_merge(workflows, CONFIG, MAIN) == [step]
    assert on_merge(workflows, CONFIG, "infrastructure/terraform/docs/a.md") == []


DEPLOY = """\
on:
  push:
jobs:
  deploy:
    steps:
      - run: ./scripts/deploy.sh
      - run: make ship
      - uses: aws-actions/amazon-ecs-deploy-task-definition@v2
      - if: github.event_name == 'pull_request'
        run: terraform apply
  later:
    uses: ./.github/workflows/called.yml
  plan:
    if: github.event_name == 'pull_request'
    steps:
      - run: terraform apply
"""


def test_scripts_targets_actions_and_called_workflows(tmp_path: Path) -> None:
    """What a step runs elsewhere is named there, with the step; what is for other events is left out."""
    write(tmp_path, "scripts/deploy.sh", "set -e\naws ecs update-service --cluster c --service s\n")
    (tmp_path / "Makefile").write_text("ship: build\n\tcd infra && tofu apply\n\nbuild:\n\tssh host\n")
    write(tmp_path, "called.yml", "on: [workflow_call]\njobs:\n  a:\n    steps:\n      - run: cdk deploy --all\n")
    workflows = write(tmp_path, "deploy.yml", DEPLOY)
    here = ".github/workflows/deploy.yml, line"
    assert on_merge(workflows, CONFIG) == [
        (f"scripts/deploy.sh, line 2 (run by {here} 6)", "aws ecs update-service", "", "a push"),
        (f"Makefile, line 2 (run by {here} 7)", "tofu apply", "infra", "a push"),
        (f"{here} 8", "aws-actions/amazon-ecs-deploy-task-definition", "", "a push"),
        (".github/workflows/called.yml, line 5", "cdk deploy", "", "a push"),
    ]


def test_actions_of_the_checkout_and_of_terraform(tmp_path: Path) -> None:
    """A step of a composite action counts as the workflow's own; a Terraform action counts where it applies."""
    action = "runs:\n  using: composite\n  steps:\n    - run: cd tf && terraform apply\n      shell: bash\n"
    write(tmp_path, ".github/actions/apply/action.yml", action)
    uses = "acme/terragrunt-action@v2\n        with:\n          command: {}\n"
    steps = "on: push\njobs:\n  a:\n    steps:\n      - uses: ./.github/actions/apply\n      - uses: "
    workflows = write(tmp_path, "a.yml", steps + uses.format("apply"))
    local = (".github/actions/apply/action.yml, line 4", "terraform apply", "tf", "a push")
    foreign = (".github/workflows/a.yml, line 6", "acme/terragrunt-action", "", "a push")
    assert on_merge(workflows, CONFIG) == [local, foreign]
    assert on_merge(write(tmp_path, "a.yml", steps + uses.format("plan")), CONFIG) == [local]


def test_actions_that_use_each_other(tmp_path: Path) -> None:
    """Each is read once for a step, although GitHub would refuse them when it runs the step."""
    action = "runs:\n  steps:\n    - uses: ./.github/actions/{}\n    - run: terraform apply\n"
    write(tmp_path, ".github/actions/a/action.yml", action.format("b"))
    write(tmp_path, ".github/actions/b/action.yml", action.format("a"))
    steps = "on: push\njobs:\n  x:\n    steps:\n      - uses: ./.github/actions/a\n"
    (workflow,) = write(tmp_path, "a.yml", steps).files
    assert [each.file for each in workflow.commands] == [f".github/actions/{name}/action.yml" for name in "ba"]


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("terraform plan -out=apply.tfplan", []),
        ("terraform plan # then terraform apply", []),
        ("terraform -chdir=tf/${{ matrix.env }} apply plan", [("terraform apply", "tf/${{ matrix.env }}")]),
        ("cd tf/${{ inputs.env }} && tofu apply", [("tofu apply", "tf/${{ inputs.env }}")]),
        ("(cd  'tf/a'; terraform apply)", [("terraform apply", "tf/a")]),
        ("terragrunt apply-all", [("terragrunt apply-all", "")]),
        (f"terragrunt run --all {'--queue-include-dir some/module ' * 50}-- apply", [("terragrunt apply", "")]),
        ("['terraform', 'apply']", [("terraform apply", "")]),
        ("terraform -chdir='terraform' \"apply\"", [("terraform apply", "terraform")]),
        ("aws --no-cli-pager --region x ecs run-task", [("aws ecs run-task", "")]),
        ("aws --region x --profile=y ecs update-service --cluster c", [("aws ecs update-service", "")]),
        ("aws --region ${{ vars.REGION }} ecs run-task", [("aws ecs run-task", "")]),
        ("aws --region x \\\n          ecs \\\n          run-task", [("aws ecs run-task", "")]),
        ("terraform -var 'color=#fff' apply", [("terraform apply", "")]),
        ("ansible-playbook site.yml", [("ansible-playbook", "")]),
        ("docker compose -f a.yml up -d", [("docker compose -f a.yml up", "")]),
    ],
)
@pytest.mark.parametrize("file", ["a.yml", "buildspec.yml", "Jenkinsfile"])
def test_each_command_and_its_folder(tmp_path: Path, command: str, found: list[tuple[str, str]], file: str) -> None:
    """In GitHub's workflows, and in the files of AWS CodeBuild and Jenkins."""
    is_github = file == "a.yml"
    text = f"on: push\njobs:\n  x:\n    steps:\n      - run: |\n          {command}\n" if is_github else f"{command}\n"
    (workflow,) = write(tmp_path, file if is_github else f"./{file}", text).files
    assert [(each.verb, each.folder) for each in workflow.commands] == found


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".gitlab-ci.yml", "a:\n  script:\n    - cd app\nb:\n  script:\n    - cd infra\n    - terraform apply\n"),
        (".gitlab-ci.yml", "a:\n  script: cd app\nb:\n  script: terraform apply\n"),
        (".circleci/config.yml", "jobs:\n  a:\n    steps:\n      - run: cd app\n      - run: terraform apply\n"),
        ("bitbucket-pipelines.yml", "a:\n  - step:\n      script: [cd app]\n  - step:\n      script: [tofu apply]\n"),
        ("azure-pipelines.yml", "steps:\n- script: |\n    cd app\n- bash: |\n    cd infra\n    terraform apply\n"),
        ("buildspec.yml", "phases:\n  build:\n    commands:\n      - cd infra\n      - terraform apply\n"),
    ],
)
def test_no_folder_of_another_step(tmp_path: Path, file: str, text: str) -> None:
    """Each begins in the checkout, apart from CodeBuild's, which follow each other in one shell."""
    (pipeline,) = write(tmp_path, f"./{file}", text).files
    assert [each.folder for each in pipeline.commands] == ["infra" if "infra" in text else ""]


@pytest.mark.parametrize(
    ("file", "text", "verb"),
    [
        (".gitlab-ci.yml", "include:\n  - template: AWS/Deploy-ECS.gitlab-ci.yml\n", "AWS/Deploy-ECS"),
        (".circleci/config.yml", "jobs:\n- aws-ecs/deploy-service-update:\n", "aws-ecs/deploy-service-update"),
        (".circleci/config.yml", "steps:\n- aws-ecs/update_service:\n", "aws-ecs/update_service"),
        (".circleci/config.yml", "jobs:\n- ecs/deploy_service_update:\n", "ecs/deploy_service_update"),
        ("bitbucket-pipelines.yml", "script:\n- pipe: atlassian/aws-ecs-deploy:1.6.2\n", "atlassian/aws-ecs-deploy"),
        ("bitbucket-pipelines.yml", "script:\n- ls infra/aws-ecs/update_x aws-ecs/deploy\n", ""),
    ],
)
def test_what_another_system_brings_deploys_too(tmp_path: Path, file: str, text: str, verb: str) -> None:
    """GitLab's template, CircleCI's orb and Bitbucket's pipe of ECS."""
    (pipeline,) = write(tmp_path, f"./{file}", text).files
    assert [(each.verb, each.line) for each in pipeline.commands] == ([(verb, 2)] if verb else [])


def test_a_script_in_a_folder_named_ecs_is_no_step_that_deploys(tmp_path: Path) -> None:
    """CircleCI's ready-made steps are entries of a list, and no paths."""
    lines = ("cd ecs/run-local", "ecs/run-tests.sh", "python ecs/update_docs.py", "aws-ecs/update-service.sh")
    script = "".join(f"    - {each}\n" for each in lines)
    (pipeline,) = write(tmp_path, "./.gitlab-ci.yml", f"check:\n  script:\n{script}").files
    assert pipeline.commands == ()


def test_a_block_of_jenkins_on_one_line(tmp_path: Path) -> None:
    """A brace in a comment begins and ends none."""
    text = "dir('infra'){sh 'terraform apply' // }\n  sh 'tofu apply' // {\n}\nsh 'cdk deploy'\n"
    (pipeline,) = write(tmp_path, "./Jenkinsfile", text).files
    assert [each.folder for each in pipeline.commands] == ["infra", "infra", ""]


def test_a_block_of_jenkins_is_in_its_folder(tmp_path: Path) -> None:
    """dir() within dir() too, and what is in a step's own text changes nothing."""
    text = (
        "dir('infra') {\n  sh \"echo ${HOME} }\"\n}\nstage('a') {\n  dir('infra') {\n    sh 'terraform apply'\n"
        "    dir(\"staging\") {\n      sh 'cd x && tofu apply'\n    }\n    sh 'pulumi up'\n  }\n  sh 'cdk deploy'\n}\n"
    )
    (pipeline,) = write(tmp_path, "./Jenkinsfile", text).files
    assert [(each.line, each.verb, each.folder) for each in pipeline.commands] == [
        (6, "terraform apply", "infra"),
        (8, "tofu apply", "infra/staging/x"),
        (10, "pulumi up", "infra"),
        (12, "cdk deploy", ""),
    ]


def test_each_step_of_jenkins_begins_in_the_same_folder(tmp_path: Path) -> None:
    """Also one whose arguments have names; and a comment runs nothing."""
    steps = (
        "sh 'cd app && pytest'\n  // sh 'cdk deploy'\n  sh 'terraform apply'\n  sh \"\"\"\n  cd infra\n  tofu apply\n"
        "\"\"\"\n  sh label: 'x', script: 'terraform apply'\n  /* sh 'cdk deploy'\n  sh 'pulumi up' */\n"
    )
    (pipeline,) = write(tmp_path, "./Jenkinsfile", steps).files
    found = [(each.line, each.verb, each.folder) for each in pipeline.commands]
    assert found == [(3, "terraform apply", ""), (6, "tofu apply", "infra"), (8, "terraform apply", "")]


@pytest.mark.parametrize(
    ("step", "file"),
    [
        ("run: make -C infra apply", "infra/Makefile"),
        ("run: cd infra && make apply", "infra/Makefile"),
        ("{run: make -j 2 apply, working-directory: infra}", "infra/Makefile"),
        ("run: |\n          cd docs\n          cd ../infra\n          make apply", "infra/Makefile"),
        ("run: (cd docs && pytest); (cd infra && make apply)", "infra/Makefile"),
        ("run: cd ${{ env.FOLDER }} && make apply", "Makefile"),
        ("run: make apply", "Makefile"),
        ("run: cd docs; make apply", "Makefile"),
        ("run: cd docs && make -C ../infra apply", "infra/Makefile"),
        ("run: make -C ../outside apply", ""),
        ("run: make -C /outside apply", ""),
        ("run: make -sC 'infra' apply", "infra/Makefile"),
        ("run: make --directory=infra lint apply ENV=x", "infra/Makefile"),
        ("run: cd infra && make lint && make ENV=x apply", "infra/Makefile"),
        ("run: make -j2 --no-print-directory apply", "Makefile"),
        ("run: make -j2", ""),
        ("run: |\n          make \\\n            apply", "Makefile"),
        ("run: |\n          make lint # make apply\n          # make apply", ""),
    ],
)
def test_the_makefile_of_the_folder_where_make_runs(tmp_path: Path, step: str, file: str) -> None:
    """Else the one at the top; none outside of the checkout."""
    for folder, number in (("checkout/infra", 1), ("checkout", 2), ("outside", 3)):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "Makefile").write_text("# x\n" * number + "apply: init\n\tterraform apply\n")
    workflow = f"on: push\njobs:\n  x:\n    steps:\n      - {step}\n"
    found = on_merge(write(tmp_path / "checkout", "a.yml", workflow), CONFIG)
    where = f"{file}, line {3 if file == 'infra/Makefile' else 4} (run by .github/workflows/a.yml, line 5)"
    folder = "infra" if file.startswith("infra") else ""
    assert [(each[0], each[2]) for each in found] == ([(where, folder)] if file else [])


@pytest.mark.parametrize(
    ("makefile", "line"),
    [
        ("ship: init apply # and no more\n\napply: init\n\tterraform apply\n\ninit:\n\tssh host\n", 4),
        ("ship: lint\n\t@echo shipped\n\nlint: apply\napply:\n\ttofu apply\n", 6),
        ("ship:\n\t$(MAKE) apply\n\napply:\n\tterraform apply\n", 5),
        ("ship:\n\t+${MAKE} -C . ship apply\n\napply:\n\tterraform apply\n", 5),
        ("ship := apply\nship:\n\techo\n\napply:\n\tterraform apply\n", 0),
        ("ship:\n\techo # $(MAKE) apply\n\napply: ship\n\tterraform apply\n", 0),
        ("ship:\n\t@echo 'make apply  # it takes long'\n\napply:\n\tterraform apply\n", 0),
        ("ship:\n\t@echo lint; $(MAKE) apply\n\napply:\n\tterraform apply\n", 5),
        ("ship:\n\t-$(MAKE) apply\n\napply:\n\t-terraform apply\n", 5),
        ("ship: lint \\\n  apply\n\techo\n\napply:\n\tterraform apply\n", 6),
        ("ship:\n\techo\n# now\n\n\tterraform apply\n", 5),
    ],
)
def test_what_a_target_needs_and_makes(makefile: str, line: int, tmp_path: Path) -> None:
    """Its prerequisites, and what its recipe runs by make again; a target that makes itself has an end."""
    write(tmp_path, "./Makefile", makefile)
    (workflow,) = write(tmp_path, "a.yml", "on: push\njobs:\n  x:\n    steps:\n      - run: make ship\n").files
    assert [(each.file, each.line) for each in workflow.commands] == ([("Makefile", line)] if line else [])


@pytest.mark.parametrize(
    ("makefile", "lines"),
    [
        ("ship-%: build\n\tterraform apply\n", [2]),
        ("ship-%: build-%\n\techo\n\nbuild-live:\n\tterraform apply\n\nbuild-qa:\n\ttofu apply\n", [5]),
        ("ship-%: build-%\n\techo\n\nbuild-%:\n\tterraform apply\n", [5]),
        ("ship-%:\n\ttofu apply\n\nship-live:\n\tterraform apply\n", [5]),
        ("ship-live: build\n\nship-%:\n\ttofu apply\n", [4]),
        ("ship-%:\n\ttofu apply\n\nship-li%:\n\tterraform apply\n", [5]),
        ("%:\n\t@:\n\n%-live:\n\tterraform apply\n", [5]),
        ("ship-%:\n\tssh host\n", [2]),
        ("ship-qa%:\n\ttofu apply\n\nship%qa:\n\ttofu apply\n", []),
    ],
)
def test_a_pattern_that_makes_a_target(makefile: str, lines: list[int], tmp_path: Path) -> None:
    """The closest one makes what has no recipe of its own; % is the same in what it needs."""
    write(tmp_path, "./Makefile", makefile)
    (workflow,) = write(tmp_path, "a.yml", "on: push\njobs:\n  x:\n    steps:\n      - run: make ship-live\n").files
    assert [(each.file, each.line) for each in workflow.commands] == [("Makefile", line) for line in lines]


@pytest.mark.parametrize("rule", ["%: %.in\n\techo\n", "ship-%: ship-a-% ship-b-%\n\techo\n"])
def test_a_pattern_that_would_make_names_without_end(rule: str, tmp_path: Path) -> None:
    """What it needs besides is read all the same."""
    write(tmp_path, "./Makefile", f"{rule}\n{rule.partition(':')[0]}: up\n\techo\n\nup:\n\tterraform apply\n")
    (workflow,) = write(tmp_path, "a.yml", "on: push\njobs:\n  x:\n    steps:\n      - run: make ship-live\n").files
    assert [each.verb for each in workflow.commands] == ["terraform apply"]


def test_a_pattern_that_makes_what_only_the_workflow_knows(tmp_path: Path) -> None:
    """An environment that somebody chooses."""
    write(tmp_path, "./Makefile", "ship-%:\n\tterraform apply\n")
    step = "make ship-${{ inputs.environment }}"
    (workflow,) = write(tmp_path, "a.yml", f"on: push\njobs:\n  x:\n    steps:\n      - run: {step}\n").files
    assert [each.verb for each in workflow.commands] == ["terraform apply"]


@pytest.mark.parametrize("rule", ["a{0}: a{1}\n\techo\n", "a{0}:\n\t$(MAKE) a{1}\n"])
def test_a_long_chain_of_targets(rule: str, tmp_path: Path) -> None:
    """Python's stack would not hold it, and going through all rules for each would take a minute."""
    chain = "".join(rule.format(number, number + 1) for number in range(1500))
    write(tmp_path, "./Makefile", f"{chain}a1500:\n\tterraform apply\n")
    started = time.process_time()
    (workflow,) = write(tmp_path, "a.yml", "on: push\njobs:\n  x:\n    steps:\n      - run: make a0\n").files
    assert [each.verb for each in workflow.commands] == ["terraform apply"]
    assert time.process_time() - started < 4


def test_a_workflow_of_another_repository_that_deploys_by_its_name(tmp_path: Path) -> None:
    """It is not read, and what it is called says what it does, as with an action."""
    uses = "  a:\n    uses: acme/platform/.github/workflows/{}.yml@v3\n"
    workflows = write(tmp_path, "a.yml", "on: push\njobs:\n" + uses.format("ecs-deploy"))
    verb = "acme/platform/.github/workflows/ecs-deploy.yml"
    assert on_merge(workflows, CONFIG) == [(".github/workflows/a.yml, line 4", verb, "", "a push")]
    assert on_merge(write(tmp_path, "a.yml", "on: push\njobs:\n" + uses.format("lint")), CONFIG) == []


def test_a_step_that_renders_a_container_s_references(tmp_path: Path) -> None:
    """amazon-ecs-render-task-definition takes them as lines, whose last one of the application's shows the form."""
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-AbCdEf"
    lines = f"            A_KEY={arn}:A_KEY::\n            B_KEY=${{{{ vars.ARN }}}}:B_KEY::\n            C={arn}\n"
    step = "      - uses: aws-actions/amazon-ecs-render-task-definition@v1\n        with:\n          secrets: |\n"
    (workflow,) = write(tmp_path, "a.yml", f"on: push\njobs:\n  x:\n    steps:\n{step}{lines}").files
    assert [*workflow.find_references(["A_KEY", "B_KEY"], "NEW")] == [(9, "NEW=${{ vars.ARN }}:NEW::")]
    assert [*workflow.find_references(["A_KEY", "C"], "NEW")] == [(8, f"NEW={arn}:NEW::")]
    assert [*workflow.find_references(["C", "D"], "NEW")] == []


def test_each_step_that_renders_a_container_s_references(tmp_path: Path) -> None:
    """One for each environment; the version that one is bound to does not have the new key."""
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:{}-AbCdEf"
    step = "      - uses: aws-actions/amazon-ecs-render-task-definition@v1\n        with:\n          secrets: |\n"
    steps = "".join(
        f"{step}            A_KEY={arn.format(each)}:A_KEY:{version}\n"
        for each, version in (("qa", ":"), ("live", f":{'1' * 8}-1111-1111-1111-{'1' * 12}"))
    )
    (workflow,) = write(tmp_path, "a.yml", f"on: push\njobs:\n  x:\n    steps:\n{steps}").files
    assert [*workflow.find_references(["A_KEY"], "NEW")] == [
        (8, f"NEW={arn.format('qa')}:NEW::"),
        (12, f"NEW={arn.format('live')}:NEW::"),
    ]


def test_a_step_that_renders_the_new_reference_hides_no_other(tmp_path: Path) -> None:
    """A secret's name may end as the list's does."""
    base = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-secrets"
    step = "      - uses: aws-actions/amazon-ecs-render-task-definition@v1\n        with:\n          secrets: |\n"
    old, new = (f"            {each}={base}:{each}::\n" for each in ("A_KEY", "NEW"))
    for steps, lines in (
        ((f"{old}{new}", old), [13]),
        ((old, f"{new}{old}"), [8]),
        ((f"{new}{old}", f"{old}{new}"), []),
        ((f"{old}{old}", old), [9, 13]),
        ((f"{old}      - run: |\n          cat > .env <<E\n            NEW=1\n          E\n",), [8]),
    ):
        text = "".join(f"{step}{each}" for each in steps)
        (workflow,) = write(tmp_path, "a.yml", f"on: push\njobs:\n  x:\n    steps:\n{text}").files
        assert [*workflow.find_references(["A_KEY"], "NEW")] == [(line, f"NEW={base}:NEW::") for line in lines]


@pytest.mark.parametrize("style", [">", ">-", "> # one command"])
def test_a_command_on_lines_that_yaml_folds(tmp_path: Path, style: str) -> None:
    """With its folder and its line."""
    lines = "terraform -chdir=infra\n          apply\n          -auto-approve\n"
    text = f"on: push\njobs:\n  x:\n    steps:\n      - run: {style}\n          {lines}      - run: make\n"
    (workflow,) = write(tmp_path, "a.yml", text).files
    found = [(each.line, each.verb, each.folder) for each in workflow.commands]
    assert found == [(6, "terraform apply -auto-approve", "infra")]


@pytest.mark.parametrize(
    "words",
    [
        ("kubectl", "apply"),
        ("pulumi", "up"),
        ("cdk", "deploy"),
        ("docker", "stack", "deploy"),
        ("docker compose", "-f a.yml", "up"),
    ],
)
def test_the_words_of_a_command_on_lines_of_their_own(words: tuple[str, ...], tmp_path: Path) -> None:
    """Which end in a backslash, or which YAML folds."""
    steps = "".join(
        f"      - run: {style}\n          {end.join(words)}\n"
        for style, end in (("|", " \\\n          "), (">", "\n          "))
    )
    (workflow,) = write(tmp_path, "a.yml", f"on: push\njobs:\n  x:\n    steps:\n{steps}").files
    assert [(each.line, each.verb) for each in workflow.commands] == [
        (6, " ".join(words)),
        (7 + len(words), " ".join(words)),
    ]


def test_another_makefile(tmp_path: Path) -> None:
    """Which runs in the folder where make runs, and not in its own; a rule may have several targets."""
    write(tmp_path, "./Makefile", "apply:\n\tpulumi up\n")
    write(tmp_path, "./tools/deploy.mk", "apply: X = 1\nplan apply: init\n\tterraform apply\n")
    steps = "".join(f"      - run: make {each} apply\n" for each in ("-f tools/deploy.mk", "-C tools -f deploy.mk"))
    (workflow,) = write(tmp_path, "a.yml", f"on: push\njobs:\n  x:\n    steps:\n{steps}").files
    assert [(each.file, each.folder) for each in workflow.commands] == [
        ("tools/deploy.mk", ""),
        ("tools/deploy.mk", "tools"),
    ]


@pytest.mark.parametrize(
    "assignment",
    [
        "TF ?= terraform -chdir=infra/$(ENV)",
        "export TF = terraform \\\n  -chdir=infra/$(ENV)",
        "TF=terraform -chdir=infra/$(ENV) # in each",
    ],
)
def test_a_program_in_a_variable_of_a_makefile(assignment: str, tmp_path: Path) -> None:
    """With its folder; a variable that is no program stays as it is."""
    lines = f"NAME = web\n\napply:\n\techo $(NAME)\n\t@$(TF) apply -auto-approve\n\n{assignment}\n"
    write(tmp_path, "./Makefile", lines)
    (workflow,) = write(tmp_path, "a.yml", "on: push\njobs:\n  x:\n    steps:\n      - run: make apply\n").files
    found = [(each.line, each.verb, each.folder) for each in workflow.commands]
    assert found == [(5, "terraform apply -auto-approve", "infra/$(ENV)")]


@pytest.mark.long
def test_a_step_that_runs_make_very_often(tmp_path: Path) -> None:
    """Not all that went before is followed for each."""
    write(tmp_path, "./Makefile", "apply:\n\tterraform apply\n")
    script = "          cd a && make apply\n" * 3000
    started = time.process_time()
    (workflow,) = write(tmp_path, "a.yml", f"on: push\njobs:\n  x:\n    steps:\n      - run: |\n{script}").files
    assert [each.file for each in workflow.commands] == ["Makefile"]
    assert time.process_time() - started < 6


def test_a_makefile_that_runs_make_very_often(tmp_path: Path) -> None:
    """Each rule is read once, however many others run it."""
    recipes = "".join(f"a{number}:\n" + "\t$(MAKE) a0 a1 a2 a3 apply\n" * 20 for number in range(4))
    write(tmp_path, "./Makefile", f"{recipes}apply:\n\tterraform apply\n")
    started = time.process_time()
    (workflow,) = write(tmp_path, "a.yml", "on: push\njobs:\n  x:\n    steps:\n      - run: make a0\n").files
    assert [each.verb for each in workflow.commands] == ["terraform apply"]
    assert time.process_time() - started < 6


def test_a_workflow_that_several_jobs_call_is_told_once(tmp_path: Path) -> None:
    """As for a plan and for an apply."""
    write(tmp_path, "apply.yml", "on: workflow_call\njobs:\n  a:\n    steps:\n      - run: terraform apply\n")
    job = "    uses: ./.github/workflows/apply.yml\n"
    workflows = write(tmp_path, "b.yml", f"on: push\njobs:\n  plan:\n{job}  apply:\n{job}")
    assert on_merge(workflows, CONFIG) == [(".github/workflows/apply.yml, line 5", "terraform apply", "", "a push")]


def test_an_action_that_several_use_is_read_once(tmp_path: Path) -> None:
    """Each of thirty uses the next twice: by their paths that would be 2^30 actions."""
    for number in range(30):
        use = f"    - uses: ./.github/actions/{number + 1}\n"
        write(tmp_path, f".github/actions/{number}/action.yml", f"runs:\n  steps:\n{use}{use}")
    write(tmp_path, ".github/actions/30/action.yml", "runs:\n  steps:\n    - run: terraform apply\n")
    steps = "on: push\njobs:\n  x:\n    steps:\n      - uses: ./.github/actions/0\n"
    (workflow,) = write(tmp_path, "a.yml", steps).files
    assert [each.file for each in workflow.commands] == [".github/actions/30/action.yml"]


def test_an_action_is_read_for_each_folder(tmp_path: Path) -> None:
    """As by the jobs of two environments."""
    write(tmp_path, ".github/actions/a/action.yml", "runs:\n  steps:\n    - run: terraform apply\n")
    job = "    defaults: {run: {working-directory: %s}}\n    steps: [{uses: ./.github/actions/a}]\n"
    (workflow,) = write(tmp_path, "a.yml", f"on: push\njobs:\n  a:\n{job % 'tf/a'}  b:\n{job % 'tf/b'}").files
    assert [each.folder for each in workflow.commands] == ["tf/a", "tf/b"]


@pytest.mark.parametrize(
    "step",
    [
        "uses: ./../outside",
        "uses: ./inner/../../outside",
        "uses: ./{outside}",
        "run: inner/../../outside/apply.sh",
        "{{run: apply.sh, working-directory: {outside}}}",
    ],
)
def test_files_outside_of_the_checkout_are_not_read(tmp_path: Path, step: str) -> None:
    checkout, outside = tmp_path / "checkout", tmp_path / "outside"
    (checkout / "inner").mkdir(parents=True)
    outside.mkdir()
    (outside / "action.yml").write_text("runs:\n  steps:\n    - run: terraform apply\n")
    (outside / "apply.sh").write_text("terraform apply\n")
    workflow = f"on: push\njobs:\n  x:\n    steps:\n      - {step.format(outside=outside)}\n"
    assert on_merge(write(checkout, "a.yml", workflow), CONFIG) == []


@pytest.mark.parametrize("path", ["./../outside.yml", "./inner/../../outside.yml", "./{outside}"])
def test_workflows_outside_of_the_checkout_are_not_read(tmp_path: Path, path: str) -> None:
    checkout, outside = tmp_path / "checkout", tmp_path / "outside.yml"
    (checkout / "inner").mkdir(parents=True)
    outside.write_text("jobs:\n  x:\n    steps:\n      - run: terraform apply\n")
    workflow = f"on: push\njobs:\n  x:\n    uses: {path.format(outside=outside)}\n"
    assert on_merge(write(checkout, "a.yml", workflow), CONFIG) == []


STEPS = "jobs:\n  a:\n    steps:\n      - run: terraform apply\n"
TRIGGERS = {
    "on: push\n": True,
    "on: [pull_request, push]\n": True,
    "on:\n  push:\n    tags: ['v*']\n": False,
    "on:\n  push:\n    tags-ignore: ['v*']\n": False,
    "on:\n  push:\n    tags: ['v*']\n    branches-ignore: [docs]\n": True,
    "on:\n  push:\n    paths-ignore: ['**.md']\n": True,
    "on:\n  push:\n    paths-ignore: ['backend/**']\n": False,
    "on:\n  push:\n    paths: ['frontend/**']\n": False,
    "on:\n  push:\n    paths: ['frontend/[user-name]/**', '+x', '[]']\n": False,
    "on:\n  push:\n    paths: ['backend/*/core/*.py']\n": True,
    "on:\n  pull_request:\n    types: [closed]\n": True,
    "on:\n  push:\n    paths: ['[a-c]ackend/**']\n": True,
    "on: pull_request\n": False,
    "on:\n  issues:\n    types: [closed]\n": False,
    "on:\n  workflow_dispatch:\n  schedule:\n    - cron: '0 0 * * *'\n": False,
}


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_what_starts_on_a_merge(trigger: str, tmp_path: Path) -> None:
    """By the events and their filters."""
    assert bool(on_merge(write(tmp_path, "a.yml", trigger + STEPS), CONFIG)) is TRIGGERS[trigger]


def test_a_workflow_that_follows_another(tmp_path: Path) -> None:
    """It starts on a merge if the other one does."""
    after = f"on:\n  workflow_run:\n    workflows: [Tests]\n{STEPS}"
    write(tmp_path, "b.yml", after)
    tests = "name: Tests\non: {}\njobs: {{}}\n"
    assert on_merge(write(tmp_path, "a.yml", tests.format("pull_request")), CONFIG) == []
    ((*_, trigger),) = on_merge(write(tmp_path, "a.yml", tests.format("push")), CONFIG)
    assert trigger == "after the workflow Tests"


def test_other_systems_are_searched_and_a_broken_file_is_named(tmp_path: Path) -> None:
    """GitLab's commands count for any push; what is not YAML is reported without its text."""
    (tmp_path / ".gitlab-ci.yml").write_text("deploy:\n  script:\n    - terraform -chdir=infra apply -auto-approve\n")
    workflows = write(tmp_path, "a.yml", "on: push\n  s3cr3t: [\n")
    assert on_merge(workflows, CONFIG) == [
        (".gitlab-ci.yml, line 3", "terraform apply -auto-approve", "infra", "a push")
    ]
    (sentence,) = workflows.unreadable
    assert sentence.startswith(".github/workflows/a.yml, line 2 is not valid YAML") and "s3cr3t" not in sentence


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ('echo "B_KEY=$B_KEY" >> .env', 'echo "NEW=$NEW" >> .env'),
        ("echo B_KEY=${B_KEY} >>backend/.env.prod", "echo NEW=${NEW} >> backend/.env.prod"),
        ('echo B_KEY=$B_KEY >> "${CI_PROJECT_DIR}/.env"', 'echo NEW=$NEW >> "${CI_PROJECT_DIR}/.env"'),
        # A second > would empty the file.
        ("echo 'B_KEY='\"$CI_B_KEY\" > .env", ""),
        ("echo B_KEY=$(CI_B_KEY) > .env", "echo NEW=$(CI_NEW) >> .env"),
        ('echo B_KEY="$OTHER" >> .env', 'echo NEW="$NEW" >> .env'),
        ('printf "B_KEY=%s\\n" "$B_KEY" >> .env', 'printf "NEW=%s\\n" "$NEW" >> .env'),
        ('printf "B_KEY=${B_KEY}\\n" >> .env', 'printf "NEW=${NEW}\\n" >> .env'),
        # What another printf writes would be on its line.
        ('printf "B_KEY=$B_KEY" >> .env', ""),
        ('printf "B_KEY=%s" "$B_KEY" >> .env', ""),
        # A text of its own is never repeated.
        ("echo B_KEY=as-it-is >> .env", ""),
        ("echo B_KEY=$B_KEY >> notes.txt", ""),
        ('docker run -e "B_KEY=$B_KEY" image # .env', ""),
        ("echo C_KEY=$C_KEY >> .env", ""),
    ],
)
def test_a_pipeline_that_writes_a_dotenv(script: str, line: str, tmp_path: Path) -> None:
    """The same line for another variable, from a variable of the project with a name like its neighbour's."""
    (tmp_path / ".gitlab-ci.yml").write_text(f"deploy:\n  script:\n    - {script}\n")
    (workflow,) = read_workflows(tmp_path).files
    assert workflow.find_echo(["B_KEY"], "NEW") == ((3, line) if line else (0, ""))


@pytest.mark.parametrize("beginning", ["terraform ", "\n/*"])
def test_text_that_only_begins_like_an_apply_or_a_comment(beginning: str, tmp_path: Path) -> None:
    """Each beginning is followed for so far alone."""
    (tmp_path / "Jenkinsfile").write_text(beginning * (50000 // len(beginning)))
    started = time.process_time()
    (pipeline,) = read_workflows(tmp_path).files
    assert pipeline.commands == ()
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "script",
    [
        f"- echo A=$A >> {'.env' * 4000}!",
        # Heredocs that nothing closes.
        "- cat > .env <<" + "A" * 40_000 + "\n" + "      x\n" * 99,
        "- |\n" + "      cat > .env <<EOF\n" * 9000,
    ],
)
def test_text_that_only_begins_like_what_writes_a_dotenv(script: str, tmp_path: Path) -> None:
    """It is read once."""
    (tmp_path / ".gitlab-ci.yml").write_text(f"deploy:\n  script:\n    {script}\n")
    (workflow,) = read_workflows(tmp_path).files
    started = time.process_time()
    assert workflow.find_echo(["A"], "NEW") == (0, "")
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("start", "line"),
    [
        ("cat > .env <<EOF", "NEW=$NEW"),
        ("cat <<-EOF >> backend/.env", "NEW=$NEW"),
        # No variable is put in there.
        ("cat > .env <<'EOF'", ""),
        ("cat > notes.txt <<EOF", ""),
    ],
)
def test_a_pipeline_that_writes_a_dotenv_in_one_piece(start: str, line: str, tmp_path: Path) -> None:
    """Its neighbour's line within the text, for another variable."""
    text = f"      {start}\n      A_KEY=as-it-is\n      B_KEY=$B_KEY\n      EOF\n      B_KEY=$B_KEY\n"
    (tmp_path / ".gitlab-ci.yml").write_text(f"deploy:\n  script:\n    - |\n{text}")
    (workflow,) = read_workflows(tmp_path).files
    assert workflow.find_echo(["B_KEY"], "NEW") == ((6, line) if line else (0, ""))


def test_lists_of_variables(tmp_path: Path) -> None:
    """Every env of a workflow, and environment of services in any Compose file that have no env_file."""
    text = "on: push\nenv:\n  A: 1\njobs:\n  a:\n    steps:\n      - env: {SECRET_KEY: x, B: y}\n        run: true\n"
    workflows = write(tmp_path, "a.yml", text)
    assert [(each.line, each.variables) for each in workflows.files[0].variable_lists] == [
        (2, ("A",)),
        (7, ("SECRET_KEY", "B")),
    ]
    compose = "services:\n  backend:\n    environment:\n      - A=1\n      - B\n  web:\n    environment: {C: 1}\n"
    compose += "  db:\n    env_file: .env\n    environment: [D=1]\n"
    (tmp_path / "docker-compose.prod.yml").write_text(compose)
    assert [(each.owner, each.line, each.variables) for each in read_compose_lists(tmp_path)] == [
        ("backend", 4, ("A", "B")),
        ("web", 7, ("C",)),
    ]
    (beside,) = read_compose_lists(tmp_path, beside_file=True)
    assert (beside.owner, beside.line, beside.variables) == ("db", 10, ("D",))


ENTRIES = "    environment: {A: 1}\n"
WITH_FILE = "services:\n  backend:\n    build: .\n    env_file: .env\n"


@pytest.mark.parametrize(
    "files",
    [
        {"compose.yml": f"x-a: &a\n  env_file: .env\nservices:\n  backend:\n    <<: *a\n{ENTRIES}"},
        {"compose.yml": f"x-a: &a\n  env_file: .env\nservices:\n  backend:\n    <<: [*a]\n{ENTRIES}"},
        {"compose.yml": f"{WITH_FILE}  web:\n    extends: backend\n{ENTRIES}"},
        {
            "deploy/base.yml": WITH_FILE,
            "compose.yml": f"services:\n  web:\n    extends: {{file: deploy/base.yml, service: backend}}\n{ENTRIES}",
        },
        {"compose.yml": WITH_FILE, "compose.override.yml": f"services:\n  backend:\n{ENTRIES}"},
        {
            ".env": "COMPOSE_FILE=compose.yml:compose.dev.yml\n",
            "compose.yml": WITH_FILE,
            "compose.dev.yml": f"services:\n  backend:\n{ENTRIES}",
        },
    ],
)
def test_a_service_that_gets_its_file_from_elsewhere_has_no_list(files: dict[str, str], tmp_path: Path) -> None:
    """By <<, by extends, or from the file that it is merged with."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert read_compose_lists(tmp_path, read_compose(tmp_path)) == ()


def test_a_list_that_services_share_counts_once_and_has_what_it_merges(tmp_path: Path) -> None:
    """A service in a file that Docker Compose does not read there is not the same service."""
    services = "services:\n  one:\n    environment: *a\n  two:\n    environment: *a\n"
    (tmp_path / "compose.yml").write_text(f"x-b: &b {{B: 1}}\nx-a: &a\n  <<: *b\n  A: 1\n{services}")
    (listed,) = read_compose_lists(tmp_path, read_compose(tmp_path))
    assert (listed.owner, {*listed.all_variables}) == ("one", {"<<", "A", "B"})
    (tmp_path / "compose.yml").write_text(WITH_FILE)
    (tmp_path / "compose.prod.yml").write_text(f"services:\n  backend:\n{ENTRIES}")
    assert len(read_compose_lists(tmp_path, read_compose(tmp_path))) == 1
