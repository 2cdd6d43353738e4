"""What onboarding.ipynb does: a newcomer's first round through all runbooks, in a sandbox of its own."""

from __future__ import annotations

import json
import secrets
from datetime import datetime

from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.model.findings import Finding, Outcome
from omc_runbook.report import changes
from omc_runbook.report import onboarding as report
from omc_runbook.report.answer import Answer
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.rich_display import Group, RichDisplay
from omc_runbook.report.onboarding import by_hand
from omc_runbook.report.secret_way import SecretWay
from omc_runbook.report.troubleshoot import evidence
from omc_runbook.runbooks import add_key as add_key_runbook
from omc_runbook.runbooks import conclude as ending
from omc_runbook.runbooks import create as create_runbook
from omc_runbook.runbooks import drill, panels, quiz
from omc_runbook.runbooks import local_setup as local_setup_runbook
from omc_runbook.runbooks import rotate as rotate_runbook
from omc_runbook.runbooks import update as update_runbook
from omc_runbook.runbooks import verify as verify_runbook
from omc_runbook.runbooks.actions import Actions
from omc_runbook.runbooks.course import COUNT, DRILLS, Course, PossibleFault
from omc_runbook.runbooks.own_parameters import takes_parameters
from omc_runbook.runbooks.practice import Practice
from omc_runbook.runbooks.run import now

__all__ = [
    "begin",
    "way",
    "question",
    "local_setup",
    "create",
    "update",
    "add_key",
    "stale",
    "rotate",
    "verify",
    "drills",
    "grades",
    "conclude",
    "by_hand",
    "answer",
]
"""All that the notebook calls, in its order."""

ACTIONS = Actions(why_none="onboarding needs no permission: it works in a sandbox of its own.")

STAGING, PRODUCTION = "staging", "production"
NEW_KEY = "NEWS_API_KEY"

way = SecretWay

_course: Course | None = None
"""The onboarding of this process: a second one ends the first one's sandbox."""


@takes_parameters
def begin(environment: str = STAGING, answers: str = "") -> Course:
    """Start a sandbox as Terraform leaves AWS; it ends with the last answer, or with this process.

    Raises UsageError for another environment than staging and for answers that none of the choices are, and as
    `Practice` does.
    """
    global _course
    if environment != STAGING:
        raise UsageError(f'onboarding practises on {STAGING}, in a sandbox of its own: set environment = "{STAGING}".')
    if _course:
        _course.practice.end()
    practice, started = Practice("fresh"), now()
    try:
        faults = tuple(PossibleFault(each["id"], each["family"], each["breaks"]) for each in practice.ask("faults"))
        ids = [fault.id for fault in faults]
        parsed = quiz.parse(answers, ids, len(DRILLS)) if answers.strip() else None
    except RunbookError:
        practice.end()
        raise
    _course = Course(practice=practice, started=started, faults=faults, answers=parsed)
    return _course


def question(course: Course, name: str) -> RichDisplay | panels.QuestionPanel:
    """A question: to be answered in JupyterLab, else answered by the parameter, or rightly by itself."""
    number, quiz_question = quiz.find(name)
    if course.is_interactive:
        return panels.QuestionPanel(course, number, quiz_question)
    course.keep(name, quiz.grade(quiz_question, course.answer_of(quiz_question)))
    return panels.question_listing(number, quiz_question)


def local_setup(course: Course) -> RichDisplay:
    """Create the .env from the template, with generated values and a provider's key from a file."""
    (course.checkout / ".env").unlink(missing_ok=True)
    source = course.put("provider.env", f"OPENAI_API_KEY=sk-{secrets.token_hex(24)}\n", beside=True)
    with course.practice.active():
        run = local_setup_runbook.begin("local", course.runbook_toml, str(course.checkout), "", True)
        snapshot = local_setup_runbook.look(run)
        plan = local_setup_runbook.plan(run, snapshot, source)
        closing = local_setup_runbook.closing(run, snapshot, plan, True, starts=False)
        parts = [closing.make("result"), closing.make("start")]
        course.remove(source)
        course.note("local_setup", parts[0], ".env has a value for every required variable, and Settings load with it.")
        return _group(local_setup_runbook.steps(plan), *parts)


def create(course: Course) -> RichDisplay:
    """Create the secret of an environment that has none: production, which has to be confirmed by its name."""
    with course.practice.active():
        run = create_runbook.begin(PRODUCTION, course.runbook_toml)
        plan = create_runbook.plan(run, create_runbook.look(run))
        result = create_runbook.closing(run, plan, True, PRODUCTION).make("result")
        course.note("create", result, "Production has a secret with a placeholder for each required key.")
        return _group(create_runbook.steps(run, plan), result)


def update(course: Course) -> RichDisplay:
    """Replace staging's placeholders by values from a file, which is removed afterwards."""
    source = course.put("secrets.json", json.dumps(_values()))
    with course.practice.active():
        run = update_runbook.begin(STAGING, course.runbook_toml)
        snapshot = update_runbook.look(run)
        new = update_runbook.gather(run, snapshot, source, "")
        plan = update_runbook.plan(run, snapshot, new)
        _show_plan(update_runbook.keys(plan))
        closing = update_runbook.closing(run, snapshot, plan, new, True, "", source)
        result = closing.make("result")
        course.note("update", result, "Staging's nine keys have values, new tasks run with them, and the file is gone.")
        return _group(result, closing.make("holders"))


def add_key(course: Course) -> RichDisplay:
    """Add a key: to the code, the template, Terraform's files, the secret and the running tasks."""
    with course.practice.active():
        run = add_key_runbook.begin(STAGING, "", course.runbook_toml, str(course.checkout))
        snapshots = add_key_runbook.look(run)
        plan = add_key_runbook.plan(run, snapshots, NEW_KEY, "News feed", values_from="generate")
        _show_plan(add_key_runbook.diffs(plan), add_key_runbook.steps(plan))
        result = add_key_runbook.closing(run, snapshots, plan, True, "").make("result")
        course.note("add_key", result, f"{NEW_KEY} is in Settings, the template, Terraform, the secret and the tasks.")
        return _group(result)


def stale(course: Course) -> RichDisplay:
    """Write a new SECRET_KEY as the guide's put-secret-value does, and look into the running tasks."""
    runbook_toml = course.runbook_toml
    course.practice.tell("break", "not-forced")
    with course.practice.active():
        run = verify_runbook.begin(STAGING, runbook_toml)
        snapshot = verify_runbook.look(run, look_inside=True)
        return _group(verify_runbook.injection_matrix(snapshot), changes.holders(snapshot))


def rotate(course: Course) -> RichDisplay:
    """Give SECRET_KEY a new value, and every service that uses the secret new tasks."""
    with course.practice.active():
        run = rotate_runbook.begin(STAGING, course.runbook_toml)
        snapshot = rotate_runbook.look(run)
        history = rotate_runbook.history(run, snapshot)
        new = rotate_runbook.gather(run, snapshot, history, "SECRET_KEY", "renew", "")
        plan = rotate_runbook.plan(run, snapshot, new)
        _show_plan(rotate_runbook.keys(plan))
        closing = rotate_runbook.closing(run, snapshot, plan, new, True, "")
        parts = [closing.make(name) for name in ("result", "proof", "holders")]
        course.note("rotate", parts[0], "SECRET_KEY has a new value, and no task has an older one.")
        return _group(*parts)


def verify(course: Course) -> RichDisplay:
    """Look at all of staging again, also into its tasks."""
    with course.practice.active():
        run = verify_runbook.begin(STAGING, course.runbook_toml)
        snapshot = verify_runbook.look(run, look_inside=True)
        findings = verify_runbook.diagnose(snapshot)
        course.results["verify"] = "Every check of staging was made, also inside its tasks."
        return _group(verify_runbook.injection_matrix(snapshot), verify_runbook.answer(run, snapshot, findings))


def drills(course: Course) -> RichDisplay | panels.DrillPanel:
    """Three faults, one after the other: to be answered in JupyterLab, else by the parameter or the diagnosis."""
    if course.is_interactive:
        panel: panels.DrillPanel = course.drill_panel or panels.DrillPanel(course)
        course.drill_panel = panel
        return panel
    parts: list[RichDisplay] = []
    for number in range(len(DRILLS)):
        started = drill.start(course, number)
        _, findings = started.look()
        fault = course.fault_of(number, drill.root_cause(findings))
        parts += [started.head, evidence(findings), started.answer(fault, is_own=False)]
    return Group(*parts)


def grades(course: Course) -> RichDisplay:
    """Each answer with its reason."""
    return course.follow("grades", lambda: report.marks([*course.marks.values()], COUNT))


def conclude(course: Course) -> RichDisplay:
    """How it ended: a wrong answer is a finding. Raises as `conclude.end` does where nobody can be asked."""
    if not course.is_interactive:
        ending.end(_outcome(course))
    return course.follow("verdict", lambda: _verdict(course))


def answer(course: Course) -> RichDisplay:
    """What was done and what to read about it."""
    return course.follow("answer", lambda: Answer(_verdict(course), report.reading(course.achievements)))


def _verdict(course: Course) -> Banner:
    return report.verdict([*course.marks.values()], COUNT)


def _outcome(course: Course) -> Outcome:
    wrong = tuple(
        Finding(
            check="wrong-answer",
            family="onboarding",
            title="An answer is wrong",
            status="found",
            subject=mark.subject,
            evidence=(f"The answer was {mark.answer or 'none'}.", mark.why),
        )
        for mark in course.marks.values()
        if not mark.is_right
    )
    return Outcome(
        runbook="onboarding",
        environment=STAGING,
        account="",
        region=course.practice.variables["AWS_DEFAULT_REGION"],
        endpoint=course.practice.variables["AWS_ENDPOINT_URL"],
        started=course.started,
        finished=datetime.now(course.started.tzinfo),
        findings=wrong,
        where="a sandbox of its own",
    )


def _values() -> dict[str, str]:
    """Values for the guide's nine keys, as somebody would collect them in secrets.json."""
    return {
        "SECRET_KEY": secrets.token_hex(32),
        "POSTGRES_PASSWORD": secrets.token_urlsafe(32),
        "OPENAI_API_KEY": f"sk-{secrets.token_hex(24)}",
        "FIRST_SUPERUSER": "admin@example.com",
        "FIRST_SUPERUSER_PASSWORD": secrets.token_urlsafe(18),
        "SMTP_HOST": "smtp.example.com",
        "SMTP_USER": "noreply@example.com",
        "SMTP_PASSWORD": secrets.token_urlsafe(18),
        "SENTRY_DSN": f"https://{secrets.token_hex(16)}@sentry.example.com/4",
    }


def _show_plan(*parts: RichDisplay) -> None:
    """Show a plan above the progress of what it does."""
    from IPython.display import display

    display(*parts)


def _group(*parts: object) -> Group:
    return Group(*(part for part in parts if isinstance(part, RichDisplay)))
