"""What tables, listings, banners and the timeline show, as HTML and as plain text."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from support import snapshots
from support.faults.access import DELEGATES, SCP_STOP, THROTTLED_STOP, decrypting, keyed, own_policy, role, statement
from support.faults.deployment import service_deployment
from support.large_world import large
from support.outcomes import an_outcome
from support.snapshots import DEPLOYED, NOW

from omc_runbook.aws.failures import ReadFailure
from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.model.change import Change
from omc_runbook.model.environment import load
from omc_runbook.model.findings import Finding, Outcome, Remedy, Severity
from omc_runbook.report import add_key, troubleshoot, verify
from omc_runbook.report.answer import answer
from omc_runbook.report.archive import summary
from omc_runbook.report.display import drawing
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.diff import Diffs, FileDiff
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.progress import Bars
from omc_runbook.report.display.rich_display import Collapsible, RichDisplay
from omc_runbook.report.display.table import WIDTH, Table
from omc_runbook.report.timeline import MOST_TASKS, Timeline, lines_of
from omc_runbook.snapshot.roles import Permissions
from omc_runbook.snapshot.state import Snapshot


def text_of(html: str) -> str:
    """The text of an HTML output, without tags."""
    return re.sub(r"<[^>]+>", " ", html).replace("&nbsp;", " ")


def many_tasks(snapshot: Snapshot, count: int) -> Snapshot:
    """A snapshot whose backend runs so many tasks, one started every hour."""
    tasks = (snapshots.task("backend", DEPLOYED + timedelta(hours=hour)) for hour in range(count))
    return replace(snapshot, tasks=tuple(tasks))


def a_finding(check: str, because_of: tuple[str, ...] = (), command: str = "") -> Finding:
    evidence = ("The task stopped.", f"{check} is known by this.")
    return Finding(
        check=check,
        family="access",
        title=f"Title of {check}",
        status="found",
        subject="backend",
        severity="error",
        evidence=evidence,
        remedy=Remedy(command),
        because_of=because_of,
    )


HOSTILE = "a\x1b]0;b\x07\x9b2J\r\u202e\u200b<img src=x>=1+1`*_\udc80"


@pytest.mark.parametrize(
    "display",
    [
        Table(HOSTILE, [HOSTILE, "b"], [[HOSTILE, HOSTILE]], {HOSTILE: "error"}, notes=[HOSTILE]),
        Table(HOSTILE, [HOSTILE], [], empty=HOSTILE),
        Table("a", [HOSTILE, "b"], [[HOSTILE, HOSTILE]], group=1),
        Banner("bad", HOSTILE, (HOSTILE,)),
        Listing(HOSTILE, [Entry(HOSTILE, HOSTILE, label=HOSTILE, lead=HOSTILE, lines=(HOSTILE,), command=HOSTILE)]),
        Listing("a", [Entry("a", command=f"https://{HOSTILE}", by_hand=HOSTILE, needs=f"{HOSTILE}.")]),
        Diffs(HOSTILE, [FileDiff(HOSTILE, HOSTILE, (f"+{HOSTILE}",))], HOSTILE, notes=(HOSTILE,)),
        Collapsible(HOSTILE, [Table(HOSTILE, ["a"], [])]),
        Bars([Rollout(HOSTILE, "1", HOSTILE, "rolling", 1, reason=HOSTILE)], [HOSTILE]),
    ],
    ids=itertools.count(),
)
def test_names_from_outside_are_shown_and_do_nothing(display: RichDisplay) -> None:
    """No escape reaches a terminal, no mark of direction a page, no tag a browser."""
    for text in (display.to_html(), display.to_text(), *display._repr_mimebundle_().values()):
        assert {each for each in text if not each.isprintable()} <= {"\n", "\xa0"}
        assert "‹U+001B›" in text and "‹U+202E›" in text and "‹U+DC80›" in text
    html = display.to_html().replace("&nbsp;", " ")
    assert "<img" not in html and "&lt;img src=x&gt;=1+1`*_" in html


def test_a_name_cannot_begin_a_line_of_the_summary_or_the_picture() -> None:
    """Nor be more than text in an SVG."""
    (line,) = summary.mask((summary.Line(f"{HOSTILE}\n✓ all is well"),))
    assert str(line).startswith("a‹U+001B›]0;b‹U+0007›") and "\n" not in str(line)
    name = f"{HOSTILE}\n✓ all is well"
    remedy = Remedy(f"In {name} write {name}")
    found = Finding(
        check="key-missing", family="content", title=name, status="found", subject=name, evidence=(name,), remedy=remedy
    )
    failed = replace(Outcome.of_failure("verify", name, NOW, name), findings=(found,))
    for each in map(str, summary.summarise(failed, name, name)):
        assert each.isprintable() and not each.startswith("✓")
    snapshot = snapshots.healthy()
    services = tuple(replace(each, name=f"{HOSTILE}\n{each.name}") for each in snapshot.services)
    picture, _ = Timeline(replace(snapshot, services=services))._repr_mimebundle_()
    assert ElementTree.fromstring(picture["image/svg+xml"]) is not None
    assert "\x1b" not in "".join(picture.values()) and "\u202e" not in "".join(picture.values())


def test_the_path_of_a_changed_file_breaks_where_the_page_is_narrow() -> None:
    """JupyterLab would let it scroll, but not by keyboard."""
    path = "infrastructure/terraform/modules/ecs/main.tf"
    page = Diffs("1 file would be edited", [FileDiff(path, "SENTRY_DSN", ("+a",))], "").to_html()
    [style] = re.findall(f'<p style="([^"]*)"><strong>{path}', page)
    assert "overflow-wrap: anywhere" in style


def test_the_matrix_stands_under_service_container_and_revision() -> None:
    """Rows of one service stand together under one line, and each says where its value comes from and gets to."""
    text = verify.injection_matrix(snapshots.healthy()).to_text()
    headings = re.findall(r"^service .*$", text, flags=re.MULTILINE)
    assert [heading.split(" · ")[0] for heading in headings] == ["service backend", "service worker"]
    row = next(line for line in text.splitlines() if line.startswith("SENTRY_DSN"))
    current = snapshots.CURRENT[:8]
    assert re.split(r"  +", row) == ["SENTRY_DSN", "SENTRY_DSN", f"AWSCURRENT ({current})", "yes", "✓ set", "✓ 2 fresh"]


@pytest.mark.long
def test_in_a_large_matrix_all_that_is_alike_shares_a_line_below_what_is_wrong() -> None:
    """However many services there are; each name is still there, and outcome.json has each finding."""
    small, world = large(2), snapshots.with_reference(large(40), "service-7", "SENTRY_DSN", f"{snapshots.ARN}:GONE::")
    assert len(verify.injection_matrix(small).rows) == 2 * len(snapshots.KEYS)
    matrix = verify.injection_matrix(world)
    wrong, *good = matrix.rows
    assert wrong[:2] == ["service-7 (service-7 of ohmycoins-staging-service-7:7)", "SENTRY_DSN (GONE)"]
    assert wrong[3:] == ["no", "missing", "4 fresh"]
    assert {tuple(row[3:]) for row in good} == {("yes", "set", "4 fresh")}
    assert good[0][0] == "39 services: backend, service-1, service-2 and 36 more" and len(good) == 2
    # Who wants one service's alone asks the frame.
    frame = matrix.frame
    assert len(frame) == 40 * len(snapshots.KEYS)
    assert [*frame[(frame.service == "service-7") & (frame.present == "no")].key] == ["GONE"]
    text = text_of(matrix.to_html())
    assert all(f"({name} of ohmycoins-staging-{name}:7)" in text for name in world.service_names or ())
    assert all(f" {key}" in text for key in snapshots.KEYS)


def test_in_a_large_matrix_containers_of_one_service_are_no_services() -> None:
    """They are counted as what they are."""
    own = snapshots.task_definition("backend", snapshots.KEYS[:3])
    twins = replace(own, containers=(own.containers[0], replace(own.containers[0], name="proxy")))
    world = snapshots.with_definition(large(20), "backend", lambda _: twins)
    assert [row[0] for row in verify.injection_matrix(world).rows] == [
        f"2 containers: backend (backend of {own.label}), backend (proxy of {own.label})",
        "19 services: service-1, service-2, service-3 and 16 more",
    ]


def test_of_many_findings_that_are_alike_a_few_are_shown_and_the_others_named() -> None:
    """On the screen, in the answer and in the summary; outcome.json keeps each, and what differs stands alone."""
    names = [f"EXTRA_{number:02}" for number in range(40)]
    one = Finding(check="empty", family="value", title="It is empty", status="found", subject="A")
    findings = (
        *(replace(one, subject=name, evidence=(f"{name} is empty.",), remedy=Remedy(f"fix {name}")) for name in names),
        replace(one, subject="ANOTHER", evidence=("ANOTHER is blank.",), remedy=Remedy("fix ANOTHER")),
    )
    outcome = an_outcome(findings=findings)
    more = f"And 30 more like it: {', '.join(names[10:])}."
    outputs = {
        "screen": verify.findings(findings).to_text(),
        "banner": verify.outcome(outcome).to_text(),
        "answer": answer(outcome).to_text(),
        "evidence": troubleshoot.evidence(findings).to_text(),
        "summary": "\n".join(map(str, summary.summarise(outcome, "record", "command"))),
    }
    how = f"{more} To fix one of them, put its name in place of {names[9]}."
    for name, text in outputs.items():
        assert more in " ".join(text.split()), name
        assert "ANOTHER" in text and text.count("\n") < 90, name
        assert f"fix {names[9]}" in text or name in ("banner", "evidence"), name
        assert f"fix {names[11]}" not in text, name
        assert (how in " ".join(text.split())) is (name not in ("banner", "evidence")), name
    assert all(f'"{name}"' in outcome.to_json() for name in names)
    assert "more like it" not in verify.findings(findings[:10]).to_text()
    same = [replace(each, remedy=Remedy("fix them all")) for each in findings]
    consequences = [replace(each, because_of=("null",)) for each in findings]
    for others in (same, consequences):
        text = verify.findings(others).to_text()
        assert more in " ".join(text.split()) and "in place of" not in text


def test_one_fault_of_several_references_leaves_the_answer_on_one_screen() -> None:
    """A title stands once with all names, and evidence that differs in nothing but names only with the first."""
    names = [f"app-{service}:1 {service} KEY_{number}" for service in ("web", "worker") for number in range(4)]
    one = Finding(check="suffix-stale", family="reference", title="The suffix is wrong", status="found")
    fix = Remedy(runbook="troubleshoot", parameters={"environment": "staging"})
    findings = [
        replace(
            one, subject=name, evidence=("{}, container {}: {}.".format(*name.split()), "It ends in -a."), remedy=fix
        )
        for name in names
    ]
    other = replace(findings[0], subject="app-web:1 web KEY_9", evidence=("It has no suffix.",))
    outcome = an_outcome(findings=(*findings, other))
    for text in (answer(outcome).summary.to_text(), verify.outcome(outcome).to_text()):
        assert text.count(one.title) <= 2 and "app-worker:1 worker KEY_0, KEY_1, KEY_2, KEY_3" in " ".join(text.split())
    lines = [str(line) for line in summary.summarise(outcome, "record", "command")]
    assert all(any(name in line for line in lines) for name in names)
    assert sum("It ends in -a." in line for line in lines) == 1 and any("It has no suffix." in line for line in lines)


@pytest.mark.parametrize(
    ("by_hand", "count", "needs"),
    [
        ("In main.tf set the ARN of {}.", 1, "By hand, do the same for the others."),
        ("aws ecs update-service --service s", 1, ""),
        ("aws ecs update-service --service {}", 3, ""),
    ],
)
def test_what_mends_several_findings_stands_once_in_the_answer(by_hand: str, count: int, needs: str) -> None:
    """With all names; commands by hand that differ stand with their own."""
    one, names = a_finding("suffix-stale"), [f"app-web:1 web KEY_{number}" for number in range(3)]
    findings = (
        replace(one, subject=name, remedy=Remedy(by_hand.format(name.split()[-1]), "troubleshoot")) for name in names
    )
    steps = answer(an_outcome(findings=tuple(findings))).next_steps
    assert steps and len(steps.entries) == count and steps.entries[0].needs == needs
    assert all(name.split()[-1] in " ".join(each.subject for each in steps.entries) for name in names)


def test_many_findings_that_one_runbook_mends_are_one_entry_that_names_each_once() -> None:
    """No sentence refers to the name in a command by hand that is not shown."""
    one, names = a_finding("suffix-stale"), [f"KEY_{number}" for number in (*range(12), 0)]
    findings = [replace(one, subject=name, remedy=Remedy(f"Add {name} there.", "local_setup")) for name in names]
    (entry,) = troubleshoot.remedies(findings).entries
    assert entry.subject == ", ".join(names[:12]) and entry.lines == ()
    assert (entry.by_hand, entry.needs) == ("Add KEY_0 there.", "By hand, do the same for the others.")


@pytest.mark.parametrize(
    "evidence",
    [
        {"backend 1": "1 of 11 tasks failed.", "backend 11": "11 of 11 tasks failed."},
        {"backend 2": "2 of 2 tasks failed.", "backend 11": "11 of 11 tasks failed."},
        {"KEY": "KEY_A is read instead.", "DSN": "DSN_A is read instead."},
    ],
)
def test_evidence_that_differs_in_more_than_names_is_shown(evidence: dict[str, str]) -> None:
    """A count that is also in the subject, or a name that begins with another, tells findings apart."""
    findings = (replace(a_finding("x"), subject=subject, evidence=(text,)) for subject, text in evidence.items())
    lines = [each.text for each in summary.summarise(an_outcome(findings=tuple(findings)), "record", "command")]
    assert all(text in lines for text in evidence.values())


def test_a_stale_value_is_marked_where_there_is_no_colour() -> None:
    """A variable whose value changed since the tasks started has a mark of its own, in HTML without styles too."""
    rotated = snapshots.rotated(snapshots.healthy(), NOW - timedelta(days=1), SECRET_KEY=secrets.token_hex(32))
    matrix = verify.injection_matrix(rotated)
    assert "! 2 stale" in matrix.to_text()
    assert "! 2 stale" in text_of(matrix.to_html())


def test_a_table_fits_a_terminal_and_loses_nothing() -> None:
    """Long cells are folded: no line is too wide, and every word is still there."""
    words = [f"word{number}" for number in range(40)]
    text = Table("Title", ["short", "long", "longer"], [["a", " ".join(words), " ".join(words)]]).to_text()
    assert max(map(len, text.splitlines())) <= WIDTH
    assert all(text.count(f"{word} ") + text.count(f"{word}\n") + text.endswith(word) >= 2 for word in words)


def test_only_groups_after_the_first_stand_below_a_blank_line() -> None:
    """The rule under the columns is directly above the first one's heading."""
    text = Table("Title", ["service", "key"], [["a", "x"], ["b", "y"]], group=1).to_text()
    assert text.splitlines()[3:] == ["───", "service a", "x", "", "service b", "y"]


def test_a_name_stays_whole_where_something_else_can_be_folded() -> None:
    """Headings and sentences give way before a name is broken."""
    columns = ["variable", *(f"rather wide heading {number}" for number in range(8))]
    text = Table("Title", columns, [["A_VARIABLE_WITH_A_LONG_NAME", *["two words"] * 8]]).to_text()
    assert "A_VARIABLE_WITH_A_LONG_NAME" in text and max(map(len, text.splitlines())) <= WIDTH


@pytest.mark.parametrize(
    "html",
    [
        Table("<b>", ["<b>"], [["<b>"]], {"<b>": "error"}).to_html(),
        Table("<b>", ["<b>", "c"], [["<b>", "<b>"]], group=1).to_html(),
        Listing(
            "<b>", [Entry("<b>", "<b>", level="error", label="<b>", lead="<b>", lines=("<b>",), command="<b>")]
        ).to_html(),
        Listing("<b>", [], "<b>").to_html(),
        Banner("good", "<b>", ("<b>",)).to_html(),
    ],
)
def test_text_of_others_is_not_taken_for_html(html: str) -> None:
    """What AWS or a person wrote is shown as it is."""
    assert "<b>" not in html and "&lt;b&gt;" in html


def test_a_consequence_does_not_repeat_its_cause() -> None:
    """Evidence and command of the cause are not shown again; what is new is, and the cause is named."""
    cause, effect = a_finding("cause", command="mend it"), a_finding("effect", ("cause",), "mend it")
    first, second = verify.findings([cause, effect]).entries
    assert (first.label, first.lines, first.command) == ("error", cause.evidence, "mend it")
    assert (second.label, second.lines, second.command) == ("consequence", ("effect is known by this.",), "")
    assert second.subject == "backend, because of cause"
    entries = verify.findings([cause, replace(effect, cause_of=("third",))]).entries
    assert [entry.lines for entry in entries if entry.name == "effect"] == [("effect is known by this.",)]


def test_checks_that_share_a_reason_are_unknown_together() -> None:
    """One missing permission is listed once, with all the checks that need it."""
    unknown = [replace(a_finding(check), status="unknown", evidence=("You may not.",)) for check in ("one", "two")]
    (entry,) = verify.findings(unknown).entries
    assert (entry.level, entry.name, entry.lines) == ("unknown", "2 checks", ("You may not.", "Checks: one, two."))


def test_a_command_stays_on_one_line_to_be_copied() -> None:
    """However long, a command is not folded in plain text, and an address becomes a link in HTML."""
    command = "aws " + "x" * 200
    assert f"  → {command}\n" in Listing("Title", [Entry("name", command=command), Entry("other")]).to_text()
    assert (
        '<a href="https://a.example/?b&amp;c"' in Listing("T", [Entry("n", command="https://a.example/?b&c")]).to_html()
    )


def test_a_service_that_waits_says_why_in_plain_text() -> None:
    """Below its line; how long it usually takes is shown only where that is known."""
    one = Rollout("backend", "1", "family:7", "rolling", 2, began=NOW, progress="It waits.")
    text = Bars([one], ["An event."]).to_text()
    assert "\n    It waits.\n\nAn event." in text and " of about " not in text
    assert "    It failed.\n" in Bars([replace(one, reason="It failed.")], ["An event."]).to_text()
    assert " of about 1:30" in Bars([replace(one, usual=timedelta(seconds=90))], []).to_text()


@pytest.mark.parametrize(
    ("severity", "accepted", "style", "label"),
    [
        ("error", "", "error", "error"),
        ("warning", "", "warning", "warning"),
        ("info", "", "note", "info"),
        ("error", "Accepted: until May.", "note", "accepted"),
    ],
)
def test_the_summary_has_a_style_for_each_severity(severity: Severity, accepted: str, style: str, label: str) -> None:
    """What is accepted, and what only informs, does not look like something wrong."""
    found = replace(a_finding("weak"), severity=severity, accepted=accepted)
    lines = summary.summarise(replace(an_outcome(findings=(found,)), plan=None), "", "")
    assert [(line.style, line.label) for line in lines if "Title of weak" in line.text] == [(style, label)]


def test_by_hand_a_call_that_several_findings_need_stands_once() -> None:
    """AWS refuses to move a version twice; tasks start after all that is written, and what cd begins stays whole."""
    move, deploy = "aws secretsmanager update-secret-version-stage --secret-id s", "aws ecs update-service --service"
    for commands, expected in (
        ([f"{move} && {deploy} a && {deploy} b", f"{move} && {deploy} a"], f"{move} && {deploy} b && {deploy} a"),
        ([f"aws x && {deploy} a", f"aws y && {deploy} a"], f"aws x && aws y && {deploy} a"),
        (["cd a && terraform apply", "cd b && terraform apply"], "cd a && terraform apply && cd b && terraform apply"),
    ):
        found = [
            replace(a_finding("placeholder"), subject=str(number), remedy=Remedy(each, "restore"))
            for number, each in enumerate(commands)
        ]
        lines = summary.summarise(an_outcome(findings=tuple(found)), "", "")
        assert [each.text for each in lines if each.text.startswith("or ")] == [f"or {expected}"]


def test_only_a_plan_is_no_success_in_the_summary() -> None:
    """Nothing was done yet."""
    outcome = an_outcome()
    assert [summary.summarise(each, "", "")[0].style for each in (outcome, replace(outcome, plan=("Write.",)))] == [
        "ok",
        "plain",
    ]


def test_nothing_wrong_is_said_so() -> None:
    """A healthy environment has no card, but a sentence."""
    listing = verify.findings(diagnose(snapshots.healthy()))
    assert listing.entries == () and "Nothing is wrong." in text_of(listing.to_html())


def lines(snapshot: Snapshot) -> Iterator[str]:
    yield from (line.split("  ", 1)[1] for line in Timeline(snapshot).to_text().splitlines())


def test_few_tasks_have_a_line_each_in_the_timeline() -> None:
    """Up to MOST_TASKS tasks have a line each, with their ids."""
    task_lines = [line for line in lines(many_tasks(snapshots.healthy(), MOST_TASKS)) if line.startswith("task ")]
    assert len(task_lines) == MOST_TASKS


def test_a_row_of_the_timeline_says_in_words_what_its_colour_means() -> None:
    """Whether its task is fresh or stale, for who cannot tell green from orange."""
    rotated = snapshots.rotated(snapshots.healthy(), NOW - timedelta(days=1), SECRET_KEY=secrets.token_hex(32))
    rows = [row for row in lines_of(rotated) if row.moments]
    assert {row.state for row in rows} >= {"stale"}
    assert all(row.state in row.label for row in rows)


def test_many_tasks_share_lines_in_the_timeline() -> None:
    """Thirty tasks make one line for each freshness, with their number."""
    half = DEPLOYED + timedelta(hours=19, minutes=30)
    rotated = snapshots.rotated(many_tasks(snapshots.healthy(), 30), half, SECRET_KEY=secrets.token_hex(32))
    group_lines = [line for line in lines(rotated) if "tasks of backend" in line]
    assert group_lines == [
        "the first of 20 tasks of backend that are stale",
        "the first of 10 tasks of backend that are fresh",
    ]


def test_a_version_that_changed_nothing_of_theirs_leaves_tasks_fresh_in_the_timeline() -> None:
    """A task that read before is shown as stale only where a key that it got has another value now."""
    rotated = snapshots.rotated(snapshots.healthy(), DEPLOYED + timedelta(days=1), NEWS_API_KEY=secrets.token_hex(16))
    assert not [line for line in lines(rotated) if "stale" in line]


def test_the_timeline_goes_from_the_oldest_to_the_newest() -> None:
    """Versions, deployments and tasks in the order in which they came."""
    rotated = snapshots.rotated(snapshots.healthy(), NOW - timedelta(days=1))
    text = Timeline(rotated).to_text().splitlines()
    assert text == sorted(text, key=lambda line: line[:19])
    assert text[-1].endswith("(AWSCURRENT)")


@pytest.mark.parametrize("count", [0, 1, 30])
def test_the_timeline_is_a_picture_of_bounded_size(count: int) -> None:
    """With no task, one or thirty, there is a picture beside the text, with a word on what it is."""
    snapshot = many_tasks(snapshots.healthy(), count)
    data, metadata = Timeline(snapshot)._repr_mimebundle_()
    assert data.keys() == {"text/plain", "image/svg+xml"} and metadata["image/svg+xml"]["alt"]
    assert len(data["image/svg+xml"]) < 10_000
    picture = ElementTree.fromstring(data["image/svg+xml"])
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "Versions of the secret" in (picture[0].text or "")
    assert {"secret", *(line.label for line in lines_of(snapshot))} <= {*texts}
    assert any((text or "").startswith("current") for text in texts)
    [height] = [int(number) for number in picture.attrib["viewBox"].split()[3:]]
    for shape in picture.iter():
        assert 0 <= int(shape.attrib.get("x", 0)) <= 960 and 0 <= int(shape.attrib.get("y", 0)) <= height


def luminance(colour: str) -> float:
    """The relative luminance of a colour such as #4a5568, as WCAG has it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(text: str, ground: str) -> float:
    """WCAG asks for 4.5 between a text and what it stands on."""
    darker, lighter = sorted(map(luminance, (text, ground)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_text_of_a_picture_contrasts_with_its_card_on_light_and_dark_pages() -> None:
    """The card covers the picture, and a dark page gets both in other colours; so do numbers on squares, which stay."""
    svg = Timeline(snapshots.healthy()).to_svg()
    root = ElementTree.fromstring(svg)
    card, text = (next(each for each in root.iter() if each.get("class") == kind) for kind in ("card", "text"))
    assert root.attrib["viewBox"].split()[2:] == [card.attrib["width"], card.attrib["height"]]
    assert {*root.iter("{http://www.w3.org/2000/svg}text")} <= {*text.iter()}
    assert contrast(text.attrib["fill"], card.attrib["fill"]) >= 4.5
    dark = dict(re.findall(r"\.(text|card) { fill: (#\w{6}) }", svg.partition("prefers-color-scheme: dark")[2]))
    assert contrast(dark["text"], dark["card"]) >= 4.5 and luminance(dark["card"]) < 0.1
    assert min(contrast(drawing.BLACK, ground) for ground in (drawing.GREEN, drawing.WHITE)) >= 4.5


@pytest.mark.parametrize("apart", [timedelta(minutes=40), timedelta(hours=3), timedelta(days=1)])
def test_no_version_hides_the_label_of_another_in_the_timeline(apart: timedelta) -> None:
    """Where two were written soon one after the other; and no label hides another."""
    before = snapshots.rotated(snapshots.healthy(), NOW - timedelta(days=1) - apart)
    svg = Timeline(snapshots.rotated(before, NOW - timedelta(days=1))).to_svg()
    marks = [int(x) for x in re.findall(r'd="M(\d+) \d+l6 6', svg)]
    labels = {
        (int(y), int(x), int(x) + drawing.LETTER * len(text))
        for x, y, text in re.findall(r'<text x="(\d+)" y="(\d+)"[^>]*>(previous|current)</text>', svg)
    }
    row = 47
    assert len(labels) == len(marks) == 2
    assert not [1 for y, start, end in labels for x in marks if y == row and start < x + 6 and end > x - 6]
    assert len({y for y, _, _ in labels}) == 2 or sorted(labels)[0][2] <= sorted(labels)[1][1]


@pytest.mark.parametrize("is_logged", [True, False])
def test_after_a_restore_each_label_is_beside_its_own_mark_in_the_timeline(is_logged: bool) -> None:
    """The restored version is the older one and has the later mark; without CloudTrail, its time is not known."""
    before = snapshots.rotated(snapshots.healthy(), NOW - timedelta(days=1))
    stages = {version.id: version.stages for version in before.versions if version.stages}
    swapped = dict(zip(stages, reversed(stages.values()), strict=True))
    versions = tuple(replace(version, stages=swapped.get(version.id, ())) for version in before.versions)
    [restored] = [version.id for version in versions if "AWSCURRENT" in version.stages]
    back = snapshots.event("UpdateSecretVersionStage", NOW - timedelta(hours=12), restored)
    snapshot = snapshots.with_secret(replace(before, versions=versions), stages=swapped, changed=back.time)
    svg = Timeline(replace(snapshot, writes=(back,) if is_logged else None)).to_svg()
    previous, current = sorted(int(x) for x in re.findall(r'd="M(\d+) \d+l6 6', svg))
    starts = {text: int(x) for x, text in re.findall(r'<text x="(\d+)"[^>]*>(previous|current)</text>', svg)}
    assert starts["previous"] < current < starts["current"]
    assert previous < current if is_logged else previous == current


def test_of_versions_that_could_not_be_listed_there_is_no_number() -> None:
    """Nor is a value that was refused no document."""
    gap = ReadFailure("x", "secretsmanager:GetSecretValue", "AccessDeniedException", "denied")
    gaps = {"contents": (gap,), "versions": (gap,)}
    text = verify.inventory(replace(snapshots.healthy(), contents={}, versions=(), gaps=gaps)).to_text()
    assert text.count("not readable") == 2 and "kept" not in text and "document" not in text


def test_the_key_that_is_shown_is_that_of_the_current_version() -> None:
    """Also where it is gone, so that nothing else tells its ARN: a finding says the same."""
    healthy, former = snapshots.healthy(), secrets.token_hex(8)
    under_former = replace(healthy, versions=tuple(replace(each, keys=(former,)) for each in healthy.versions))
    shown = [row[1] for each in (healthy, under_former) for row in verify.inventory(each).rows if "encrypted" in row[0]]
    assert shown == ["the AWS managed key", former]


def test_of_a_role_that_no_service_uses_that_is_said() -> None:
    """As of an environment that has no service yet."""
    text = verify.permissions(replace(snapshots.healthy(), services=())).to_text()
    assert "used by no service" in text and "used by\n" not in text


def test_of_a_role_the_table_says_what_the_findings_say() -> None:
    """An organization that was not read denies no task, and what AWS refused a task counts where nothing else does."""
    unread = ReadFailure("the account's organization", "organizations:DescribeOrganization", "AccessDenied", "denied")
    doubtful = replace(snapshots.simulated("explicitDeny", organization=False), unread=(unread,))
    [entry] = verify.permissions(snapshots.with_permissions(snapshots.healthy(), doubtful)).entries
    assert entry.label == "unknown" and "organizations:DescribeOrganization is missing" in entry.lead
    reason = "is not authorized to perform: secretsmanager:GetSecretValue because no identity-based policy allows it"
    undecided = Permissions(role=doubtful.role)
    refused = snapshots.with_permissions(snapshots.stuck(snapshots.healthy(), "backend", reason), undecided)
    [entry] = verify.permissions(refused).entries
    assert entry.label == "may not read" and "no identity-based policy allows" in entry.lead


@pytest.mark.parametrize(
    ("snapshot", "label", "reason"),
    [
        (snapshots.healthy(), "may read", "SimulatePrincipalPolicy: allowed"),
        (
            snapshots.stuck(snapshots.healthy(), "worker", SCP_STOP),
            "may not read",
            "explicit deny in a service control policy",
        ),
        (own_policy(statement("Deny", "*"))(snapshots.healthy()), "may not read", "resource policy statement 1 denies"),
        (
            keyed(decrypting("implicitDeny"), DELEGATES)(snapshots.healthy()),
            "may not read",
            "is not granted kms:Decrypt",
        ),
        (
            role(replace(snapshots.simulated("allowed"), role=None, exists=False))(snapshots.healthy()),
            "may not read",
            "there is no role",
        ),
        (replace(snapshots.healthy(), secret=None), "unknown", "The secret does not exist."),
        (
            snapshots.stuck(snapshots.healthy(), "worker", THROTTLED_STOP),
            "may read",
            "SimulatePrincipalPolicy: allowed",
        ),
    ],
)
def test_whatever_keeps_a_role_from_the_secret_is_in_the_table(snapshot: Snapshot, label: str, reason: str) -> None:
    """An organization's policy, the secret's own and its key's count beside those of the role."""
    [entry] = verify.permissions(snapshot).entries
    assert entry.label == label and reason in entry.lead


@pytest.mark.parametrize(("decision", "label"), [("allowed", "may read"), ("implicitDeny", "may not read")])
def test_services_that_were_not_read_leave_open_who_uses_a_role_alone(decision: str, label: str) -> None:
    """What the role may, IAM tells; what the secret's policy says may be unknown beside."""
    gap = ReadFailure("the services", "ecs:ListServices", "AccessDeniedException", "denied")
    without = replace(snapshots.healthy(), services=(), task_definitions={}, tasks=(), gaps={"services": (gap,)})
    judged = snapshots.with_permissions(without, snapshots.simulated(decision))
    assert [entry.label for entry in verify.permissions(judged).entries] == [label]
    of_policy = ReadFailure("its policy", "secretsmanager:GetResourcePolicy", "AccessDeniedException", "denied")
    unread = replace(snapshots.healthy(), gaps={"resource_policy": (of_policy,)})
    [entry] = verify.permissions(unread).entries
    assert entry.label == "unknown" and "GetResourcePolicy is missing" in entry.lead


def test_what_keeps_every_role_from_the_secret_counts_where_no_service_was_read() -> None:
    """A disabled key, or the secret's own policy, which may deny one role alone."""
    under = keyed(decrypting("allowed"))(snapshots.healthy())
    assert under.kms_key
    disabled = replace(under, kms_key=replace(under.kms_key, state="Disabled"))
    former = f"{snapshots.ROLE}-former"
    both = {snapshots.ROLE: snapshots.simulated("allowed"), former: snapshots.simulated("allowed")}
    denied = own_policy(statement("Deny", former))(replace(snapshots.healthy(), permissions=both))
    gap = ReadFailure("the services", "ecs:ListServices", "AccessDeniedException", "denied")
    for snapshot, labels in ((disabled, ["may not read"]), (denied, ["may read", "may not read"])):
        without = replace(snapshot, services=(), task_definitions={}, tasks=(), gaps={"services": (gap,)})
        assert [entry.label for entry in verify.permissions(without).entries] == labels


def test_the_table_blames_no_role_for_another() -> None:
    """A service may have revisions with either."""
    other = f"{snapshots.ROLE}-former"
    denied = {other: replace(snapshots.simulated("explicitDeny"), role=None)}
    both = replace(snapshots.healthy(), permissions={snapshots.ROLE: snapshots.simulated("allowed"), **denied})
    labels = {entry.name: entry.label for entry in verify.permissions(both).entries}
    assert labels == {snapshots.ROLE_NAME: "may read", f"{snapshots.ROLE_NAME}-former": "may not read"}


def test_services_that_were_not_read_are_not_said_to_be_none() -> None:
    """Each table says so, with the missing permission."""
    gap = ReadFailure("the services", "ecs:DescribeServices", "AccessDeniedException", "denied")
    unread = replace(snapshots.healthy(), services=(), task_definitions={}, tasks=(), gaps={"services": (gap,)})
    inventory = verify.inventory(unread)
    assert [row[1:] for row in inventory.rows[-2:-1]] == [["not readable", "others: not readable"]]
    assert "used by services that could not be read" in verify.permissions(unread).to_text()
    without_roles = replace(unread, permissions={})
    for show in (verify.injection_matrix, verify.permissions, verify.deployments):
        assert "ecs:DescribeServices is missing" in show(without_roles).to_text()


def test_what_was_not_read_is_neither_there_nor_missing() -> None:
    """A cluster whose services could not be listed, a service whose revision was refused, and the secret itself."""
    gap = ReadFailure("it", "ecs:ListServices", "AccessDeniedException", "denied")
    unlisted = replace(snapshots.healthy(), services=(), service_names=(), gaps={"services": (gap,)})
    empty = replace(unlisted, gaps={})
    clusters = [verify.inventory(snapshot).rows[4][2] for snapshot in (snapshots.healthy(), empty, unlisted)]
    assert clusters == ["exists", "exists", "not readable"]
    undefined = replace(snapshots.healthy(), task_definitions={}, gaps={"task_definitions": (gap,)})
    assert verify.inventory(undefined).rows[5][2] == "others: frontend (not readable), worker (not readable)"
    unknown = replace(snapshots.healthy(), secret=None, writes=(), gaps={"secret": (gap,)})
    assert "ecs:ListServices is missing" in verify.permissions(unknown).to_text()
    assert "ecs:ListServices is missing" in troubleshoot.authors(unknown).to_text()


def test_versions_whose_ids_begin_alike_are_told_apart() -> None:
    """As those that Terraform makes of the time; where none begins alike, eight characters do."""
    world = snapshots.healthy()
    ids = ("terraform-20260402000000000000000001", "terraform-20260301000000000000000001")
    versions = tuple(replace(each, id=id) for each, id in zip(world.versions, ids, strict=False))
    alike = replace(world, versions=versions, writes=(snapshots.event("PutSecretValue", NOW, ids[0]),))
    assert len(versions) == 2 and troubleshoot.authors(alike).rows[0][3] == "terraform-202604"
    timeline = Timeline(alike).to_text()
    assert "version terraform-202604 of" in timeline and "version terraform-202603 of" in timeline
    assert alike.short(ids[0]) == "terraform-202604" and world.short(world.current_id) == world.current_id[:8]


def test_tasks_that_were_not_read_are_not_said_to_be_none() -> None:
    """Neither in the matrix nor in the timeline; and a key whose presence is unknown is called unknown."""
    gap = ReadFailure("the tasks", "ecs:ListTasks", "AccessDeniedException", "denied")
    unread = replace(snapshots.healthy(), tasks=(), contents={}, gaps={"tasks": (gap,), "contents": (gap,)})
    matrix = verify.injection_matrix(unread)
    assert {tuple(row[-3:]) for row in matrix.rows} == {("unknown", "unknown", "unknown")}
    assert matrix.levels["unknown"] == "unknown"
    assert {row.label for row in lines_of(unread)} == {"backend: tasks not read", "worker: tasks not read"}
    stopped = replace(unread, gaps={})
    assert {row[-1] for row in verify.injection_matrix(stopped).rows} == {"none"}


def test_of_a_secret_that_is_not_there_nothing_is_unreadable() -> None:
    """Its version has no document, and so none that is broken."""
    missing = replace(snapshots.healthy(), secret=None, contents={}, versions=())
    assert "not readable" not in verify.inventory(missing).to_text()
    broken = snapshots.with_text(snapshots.healthy(), "no JSON")
    assert "not readable as a document" in verify.inventory(broken).to_text()


def ticks(span: timedelta) -> list[str]:
    """The labels of a time axis of that length."""
    end = NOW.replace(hour=12, minute=3, second=0)
    return [label for _, label in drawing.ticks(end - span, end)]


def test_the_time_axis_has_round_times() -> None:
    """Seconds, minutes, hours or days, whatever the window is, and a date where a day begins."""
    assert ticks(timedelta(minutes=1))[:2] == ["12:02:10", "12:02:20"]
    assert ticks(timedelta(hours=1))[:2] == ["11:10", "11:20"]
    assert f"{NOW:%d %b}" in ticks(timedelta(hours=20))
    for days in (1, 3, 20, 100, 1000):
        assert 1 <= len(ticks(timedelta(days=days))) <= 9


def test_siblings_keep_their_evidence() -> None:
    """Two consequences of one cause may say the same: each is shown whole, because neither explains the other."""
    siblings = [replace(a_finding("effect", ("cause",), "wait"), subject=name) for name in ("backend", "worker")]
    assert [(entry.lines, entry.command) for entry in verify.findings(siblings).entries] == [
        (siblings[0].evidence, "wait"),
        (siblings[1].evidence, "wait"),
    ]


def test_what_a_command_needs_first_is_no_command() -> None:
    """Also where its sentence begins with a file's name."""
    needs = "secrets.json is the whole secret."
    html = Listing("What to do", [Entry("a", command="aws sts get-caller-identity", needs=needs)]).to_html()
    assert re.findall(r"<pre[^>]*>(.*?)</pre>", html) == ["aws sts get-caller-identity"] and needs in text_of(html)


def test_adding_a_key_by_hand_begins_with_the_whole_secret_in_a_private_file() -> None:
    """As in the guide: put-secret-value replaces the document, and a file with the new key alone loses the others."""
    read, write, remove = [
        entry.command
        for entry in add_key.by_hand(load("staging"), "NEWS_API_KEY").entries
        if "secrets.json" in entry.command
    ]
    assert read.startswith(
        "touch secrets.json && chmod 600 secrets.json && aws secretsmanager get-secret-value"
        " --secret-id ohmycoins-staging-app-secrets"
    )
    assert read.endswith("--query SecretString --output text > secrets.json")
    assert "put-secret-value" in write and remove == "rm secrets.json"


def test_a_command_within_a_sentence_keeps_the_blanks_of_its_names() -> None:
    """What is copied of a page is what the page shows."""
    html = Listing("t", [Entry("n", command="Delete it with `rm 'a  b'`.")]).to_html()
    assert """<code style="white-space: pre-wrap">rm &#x27;a  b&#x27;</code>.""" in html


def test_a_summary_of_a_change_says_what_was_left_out() -> None:
    """Whoever applies without a look at the plan learns it nowhere else; what else the plan noted is past."""
    change = Change(action="added", key="OPENAI_API_KEY")
    notes = ("A note.", "OTHER is left out: nothing here reads it.")
    done = replace(an_outcome(), plan=("A step.",), applied=True, changes=(change,), notes=notes, left_out=notes[1:])
    text = "\n".join(map(str, summary.summarise(Outcome.from_json(done.to_json()), "record", "command")))
    assert notes[1] in text and notes[0] not in text


def test_the_table_of_deployments_says_at_which_stage_one_is() -> None:
    """A bake takes up to a day, in which IN_PROGRESS alone tells nothing."""
    ended = service_deployment("worker", 1, DEPLOYED)
    baking = service_deployment("backend", 2, NOW, "IN_PROGRESS", "BAKE_TIME")
    snapshot = snapshots.with_service(snapshots.healthy(), "worker", service_deployments=(ended,))
    snapshot = snapshots.with_service(snapshot, "backend", service_deployments=(baking,))
    assert verify.deployments(snapshot).notes == ("backend deploys: BAKE_TIME, 100 % of the traffic.",)


def test_a_deployment_of_which_no_stage_is_known_has_no_note() -> None:
    """As where it was listed, and not described: the table says already that it is IN_PROGRESS."""
    listed = service_deployment("backend", 2, NOW, "IN_PROGRESS")
    listed = replace(listed, target=replace(listed.target, weight=None))
    snapshot = snapshots.with_service(snapshots.healthy(), "backend", service_deployments=(listed,))
    assert verify.deployments(snapshot).notes == ()
