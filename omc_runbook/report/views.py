"""What a look at an environment shows: where one is, what is there, who may read it, what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omc_runbook import matrix
from omc_runbook.aws import iam
from omc_runbook.aws.ecs import Service
from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.checks.judgement import judge
from omc_runbook.environment import Environment
from omc_runbook.finding import Finding, Outcome
from omc_runbook.report.banner import Banner, Look
from omc_runbook.report.table import Table
from omc_runbook.snapshot.state import Snapshot

STATES = {
    "set": "good",
    "missing": "error",
    "empty": "warning",
    "placeholder": "error",
    "weak": "warning",
    "unknown": "unknown",
}
ROLLOUTS = {"COMPLETED": "good", "IN_PROGRESS": "warning", "FAILED": "error"}
SEVERITIES = {"error": "error", "warning": "warning", "info": "quiet", "unknown": "unknown", "consequence": "quiet"}


def inventory(snapshot: Snapshot) -> Table:
    """The secret, its current version, the cluster and its consumers, each as it was found."""
    names, secret, current = snapshot.environment.names, snapshot.secret, snapshot.current
    since, count = snapshot.current_since, len(current.document.keys) if current and current.document else None
    consumers = ", ".join(service.name for service in snapshot.consumers) or "none"
    others = ", ".join(service.name for service in snapshot.services if service not in snapshot.consumers) or "none"
    key = snapshot.kms_key.arn if snapshot.kms_key else "the AWS managed key" if secret else "—"
    rows = [
        ["secret", secret.name if secret else names.secret, _there(snapshot, "secret", secret is not None)],
        [
            "current version",
            secret.version_at(CURRENT) or "none" if secret else "—",
            f"{count} keys" if count is not None else "not readable as a document",
        ],
        [
            "current since",
            f"{since[0]:%Y-%m-%d %H:%M:%S} UTC" if since else "—",
            f"{len(snapshot.versions)} versions kept",
        ],
        ["encrypted with", key, snapshot.kms_key.state if snapshot.kms_key else ""],
        ["cluster", names.cluster, _there(snapshot, "services", snapshot.service_names is not None)],
        ["services that use the secret", consumers, f"others: {others}"],
        ["execution roles", ", ".join(iam.role_name(arn) for arn in snapshot.permissions) or "none", ""],
    ]
    return Table("What is there", ["what", "name", "state"], rows, {"missing": "error", "not readable": "unknown"})


def injection_matrix(snapshot: Snapshot) -> Table:
    """For each variable: key, container, revision, version, whether it is there, its state, the tasks it reaches."""
    rows = [
        [
            row.service,
            row.container,
            row.variable,
            row.key,
            row.revision,
            row.version,
            {True: "yes", False: "no", None: "?"}[row.present],
            row.state,
            row.reaches,
        ]
        for row in matrix.rows(snapshot)
    ]
    moods = {**STATES, "no": "error", "?": "unknown"}
    moods |= {row[8]: "warning" if "stale" in row[8] or "undecidable" in row[8] else "good" for row in rows}
    moods["none"] = "quiet"
    columns = ["service", "container", "variable", "key", "revision", "version", "present", "state", "reaches tasks"]
    return Table("Which secrets reach which tasks", columns, rows, moods, "No task definition refers to the secret.")


def permissions(snapshot: Snapshot) -> Table:
    """For each execution role: who uses it, whether it may read the secret, and who says so."""
    rows = []
    for arn, known in snapshot.permissions.items():
        users = [service.name for service in snapshot.consumers if _role(snapshot, service) == arn]
        if not known.exists:
            rows.append([iam.role_name(arn), ", ".join(users), "no", "There is no such role."])
        elif snapshot.secret is None:
            rows.append([iam.role_name(arn), ", ".join(users), "?", "There is no secret to ask about."])
        else:
            said = judge(snapshot, arn)
            may = {"": "yes", "unknown": "?"}.get(said.cause, "no")
            rows.append([iam.role_name(arn), ", ".join(users), may, said.sentence])
    moods = {"yes": "good", "no": "error", "?": "unknown"}
    return Table("May ECS read the secret?", ["execution role", "used by", "may read", "says"], rows, moods)


def deployments(snapshot: Snapshot) -> Table:
    """The consumers' deployments: status, rollout, revision, and how many tasks of those wanted run."""
    rows = [
        [
            service.name,
            deployment.status,
            deployment.rollout or "—",
            deployment.task_definition_arn.rpartition("/")[2],
            f"{deployment.running} of {deployment.desired}",
            str(deployment.failed),
            f"{deployment.created:%Y-%m-%d %H:%M:%S}",
        ]
        for service in snapshot.consumers
        for deployment in service.deployments
    ]
    columns = ["service", "status", "rollout", "revision", "running", "failed", "created (UTC)"]
    return Table("Deployments", columns, rows, ROLLOUTS, "No service that uses the secret has a deployment.")


def findings(found: Sequence[Finding]) -> Table:
    """What is wrong, root causes first, with evidence and what to do; then what could not be seen."""
    rows = [
        [
            _weight(finding),
            finding.check,
            finding.subject,
            "\n".join((f"{finding.title}.", *finding.evidence, *_links(finding))),
            finding.remedy.command,
        ]
        for finding in found
        if finding.status == "found"
    ]
    rows += [["unknown", ", ".join(checks), "", reason, ""] for reason, checks in unknown_reasons(found).items()]
    counts = {status: sum(1 for finding in found if finding.status == status) for status in ("clear", "skipped")}
    title = f"Findings ({counts['clear']} checks clear, {counts['skipped']} skipped)"
    columns = ["weight", "check", "subject", "evidence", "what to do"]
    return Table(title, columns, rows, SEVERITIES, "Nothing is wrong.")


def by_hand(environment: Environment) -> Table:
    """The guide's own commands for a look, with this environment's names, and the console's pages."""
    names = environment.names
    region = f"--region {names.region}"
    console = f"https://{names.region}.console.aws.amazon.com"
    rows = [
        ["the secret", f"aws secretsmanager describe-secret --secret-id {names.secret} {region}"],
        [
            "the task definition",
            f"aws ecs describe-task-definition --task-definition {names.task_family} {region}"
            " | jq '.taskDefinition.containerDefinitions[].secrets'",
        ],
        ["the service", f"aws ecs describe-services --cluster {names.cluster} --services {names.service} {region}"],
        [
            "the role",
            f"aws iam get-role-policy --role-name {names.execution_role} --policy-name {names.execution_policy}",
        ],
        ["the secret in the console", f"{console}/secretsmanager/secret?name={names.secret}&region={names.region}"],
        [
            "the service in the console",
            f"{console}/ecs/v2/clusters/{names.cluster}/services/{names.service}/deployments?region={names.region}",
        ],
    ]
    return Table("By hand", ["what", "command or page"], rows)


def outcome(result: Outcome) -> Banner:
    """How the run ended, in one sentence, with the root causes named."""
    looks: dict[str, Look] = {"ok": "good", "findings": "bad", "unknown": "unsure", "failed": "bad"}
    return Banner(looks[result.status], headline(result), tuple(_causes(result)))


def headline(result: Outcome) -> str:
    """The run's end in one sentence."""
    unknown = sum(1 for finding in result.findings if finding.status == "unknown")
    if result.status == "ok":
        clear = sum(1 for finding in result.findings if finding.status == "clear")
        return f"Nothing is wrong in {result.environment}: {clear} checks are clear."
    if result.status == "findings":
        tail = f", and {unknown} checks could not be made" if unknown else ""
        return f"Something is wrong in {result.environment}: {', '.join(result.root_causes)}{tail}."
    if result.status == "unknown":
        return f"Not everything in {result.environment} could be looked at: {unknown} checks are unknown."
    return f"The run on {result.environment} failed: {result.failure}"


def _causes(result: Outcome) -> Iterator[str]:
    for finding in result.findings:
        if finding.is_root_cause:
            yield f"{finding.check}: {finding.title} ({finding.subject})."
    yield from (unknown_reasons(result.findings) if result.status == "unknown" else ())


def unknown_reasons(found: Sequence[Finding]) -> dict[str, list[str]]:
    """Why checks are unknown, each reason once with the checks that it keeps from an answer."""
    reasons: dict[str, list[str]] = {}
    for finding in found:
        if finding.status == "unknown":
            checks = reasons.setdefault("\n".join(finding.evidence), [])
            checks += [finding.check] if finding.check not in checks else []
    return reasons


def _weight(finding: Finding) -> str:
    return "consequence" if finding.because_of else finding.severity


def _links(finding: Finding) -> Iterator[str]:
    if finding.because_of:
        yield f"Because of: {', '.join(finding.because_of)}."
    if finding.cause_of:
        yield f"Cause of: {', '.join(finding.cause_of)}."


def _there(snapshot: Snapshot, field: str, there: bool) -> str:
    if field in snapshot.gaps and not there:
        return "not readable"
    return "there" if there else "missing"


def _role(snapshot: Snapshot, service: Service) -> str:
    definition = snapshot.definition(service.task_definition_arn)
    return definition.execution_role_arn if definition else ""
