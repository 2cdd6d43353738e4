"""Findings that say the same of one subject after another: the first few, and the others' subjects in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from omc_runbook.model.findings import Finding, is_sentence
from omc_runbook.model.grouping import grouped
from omc_runbook.model.letters import whole_words

MOST_ALIKE = 10
"""How many findings that are alike are shown in full."""


def shorten(findings: Iterable[Finding], with_remedies: bool = False) -> Iterator[tuple[Finding, str]]:
    """The findings to show, in their order, and after the last of many alike which others are, in a sentence.

    `with_remedies` where the remedy of each is shown too: a second sentence says how to get those of the others.
    """
    groups = dict[object, list[Finding]]()
    shown = list[tuple[Finding, list[Finding]]]()
    for finding in findings:
        group = groups.setdefault(_of_any_subject(finding), [])
        group.append(finding)
        if len(group) <= MOST_ALIKE:
            shown.append((finding, group))
    for finding, group in shown:
        others = [each.subject for each in group[MOST_ALIKE:]] if finding is group[:MOST_ALIKE][-1] else []
        more = f"And {len(others)} more like it: {', '.join(others)}." if others else ""
        # What mends a consequence is what mends its cause.
        is_own = with_remedies and not finding.because_of and any(finding.subject in way for way in finding.remedy.ways)
        if more and is_own:
            more += f" To fix one of them, put its name in place of {finding.subject}."
        yield finding, more


def merge(findings: Iterable[Finding]) -> Iterator[tuple[Finding, str]]:
    """The first of the findings with one title and doubt, and a sentence or two with the subjects of all."""
    pairs = (((each.check, each.title, each.doubt), (each, more)) for each, more in shorten(findings))
    for group in grouped(pairs).values():
        subjects = in_a_list(each.subject for each, _ in group if each.subject)
        sentence = f"{group[0][0].title} ({subjects})." if subjects else f"{group[0][0].title}."
        yield group[0][0], " ".join(filter(None, (sentence, *(more for _, more in group))))


def in_a_list(subjects: Iterable[str]) -> str:
    """Subjects in a sentence: what several have before their last word, such as a container's name, stands once."""
    parts = (subject.rpartition(" ") for subject in dict.fromkeys(subjects))
    names = grouped((before, last) for before, _, last in parts)
    return "; ".join(f"{before} {', '.join(last)}".strip() for before, last in names.items())


def evidence_of_any_subject(finding: Finding) -> object:
    """The evidence with places for the subject's names: equal for findings that say the same of other names."""
    text = "\n".join((finding.doubt, *finding.evidence))
    return finding.check, finding.severity, finding.accepted, _for_any(text, finding.subject)


def by_remedy(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Groups of a check's findings that one runbook mends at once; by hand they take one command, or like sentences."""
    return [*grouped((_remedy_of_any_subject(finding), finding) for finding in findings).values()]


def others_by_hand(group: Iterable[Finding]) -> str:
    """What to do about the others of such a group, by hand, in a sentence; "" where one way is for all of them."""
    return "By hand, do the same for the others." if len({each.remedy.command for each in group}) > 1 else ""


def _remedy_of_any_subject(finding: Finding) -> object:
    remedy = finding.remedy
    if not remedy.runbook:
        return id(finding)
    by_hand = _for_any(remedy.command, finding.subject) if is_sentence(remedy.command) else remedy.command
    return finding.check, finding.severity, remedy.invocation, remedy.needs, by_hand


def _for_any(text: str, subject: str) -> str:
    """A text with places for the subject's names."""
    # A number may count something else as well.
    names = {word: f"{{{place}}}" for place, word in enumerate(subject.split()) if not word.isdecimal()}
    if not names:
        return text
    return whole_words(names).sub(lambda match: names[match[0]], text)


def _of_any_subject(finding: Finding) -> object:
    """What a finding says, without its subject's name."""
    remedy = finding.remedy
    texts = "\n".join((finding.title, finding.accepted, finding.doubt, *finding.evidence, *remedy.ways, remedy.needs))
    text = texts.replace(finding.subject, "") if finding.subject else texts
    return finding.check, finding.severity, finding.status, finding.because_of, finding.cause_of, text
