"""One run of add_key: a checkout and its environments, from what is there to the proof that all have the key."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from omc_runbook.changes.add_key import executor
from omc_runbook.changes.add_key import plan as add_key_plan
from omc_runbook.changes.add_key.environment_plan import (
    containers_for,
    held_by,
    plan_place,
    refuse_same,
    refuse_without_secret,
    values_of,
)
from omc_runbook.changes.add_key.executor import Added
from omc_runbook.changes.add_key.plan import Addition, NewKey, Place
from omc_runbook.changes.deploy.executor import Means
from omc_runbook.changes.deploy.rollout import PROVED
from omc_runbook.changes.secret import new_values
from omc_runbook.changes.secret.new_values import Unfinished
from omc_runbook.changes.secret.plan import document_of
from omc_runbook.changes.values import reuse
from omc_runbook.changes.values.source_file import Given, path_of, precautions
from omc_runbook.changes.values.sources import GENERATE
from omc_runbook.model.environment import KNOWN, PRODUCTION, Environment
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding, as_before
from omc_runbook.model.parameters import listed
from omc_runbook.model.suggestions import expand
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.progress import Progress
from omc_runbook.repository.checkout import Checkout, find_root, read_checkout
from omc_runbook.repository.settings import CONFIG
from omc_runbook.runbooks import run as runbooks
from omc_runbook.runbooks.run import Run
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform import plan_json
from omc_runbook.terraform.preview import preview
from omc_runbook.textfile.file import Edit
from omc_runbook.workstation import git

FAMILIES = ("secret", "reference", "content", "deployment", "drift")
WAITING = frozenset({"placeholder", "empty"})
"""What is found of a key that still waits for its value, as it was planned."""
ENVIRONMENT = "{environment}"


@dataclass(frozen=True)
class KeyRun:
    """A runbook begun on a checkout and on each environment, the main one first."""

    root: Path
    runs: tuple[Run, ...]

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Give Jupyter a banner for each environment."""
        bundles = [run._repr_mimebundle_() for run in self.runs]
        return {kind: "\n".join(bundle[kind] for bundle in bundles) for kind in bundles[0]}

    @property
    def environment(self) -> Environment:
        """The environment whose confirmation counts: production, where it is among them."""
        first = self.runs[0].environment
        return next((run.environment for run in self.runs if run.environment.is_production), first)

    @property
    def checkout(self) -> Checkout:
        """The checkout as it lies there now."""
        return read_checkout(self.root)

    def look(self) -> dict[str, Snapshot]:
        """Read every environment, each with the checkout; raises as `Run.look` does."""
        return {run.environment.name: run.look(str(self.root)) for run in self.runs}

    def look_again(self, seen: dict[str, Snapshot], done: Added | None) -> dict[str, Snapshot]:
        """What is there after a change; the same snapshots where there was none."""
        return seen if done is None else self.look()

    def plan(
        self,
        seen: Mapping[str, Snapshot],
        key: str,
        description: str = "",
        obtain_from: str = "",
        required: bool = False,
        type: str = "str",
        containers: str = "",
        values_from: str = "",
        terraform_dir: str = "",
    ) -> Addition | None:
        """Plan all that a new key lacks; None where no key was named.

        Raises UsageError and CannotEdit, in one sentence, for what cannot be added as asked, and what
        `reuse.compare` and `terraform.plan` raise. Nothing is written.
        """
        if not key.strip():
            return None
        new = add_key_plan.describe(
            key.strip(), description, obtain_from, required, type, listed("containers", containers)
        )
        for snapshot in seen.values():
            refuse_without_secret(snapshot)
        main, checkout = seen[self.runs[0].environment.name], self._snapshot_checkout(seen)
        add_key_plan.refuse_taken(new, main.environment.keys)
        folders = self._folders(terraform_dir)
        chosen = {name: containers_for(snapshot, new) for name, snapshot in seen.items()}
        known = {*KNOWN, *chosen, *main.environment.others}
        present = {name: document_of(snapshot).keys for name, snapshot in seen.items()}
        hidden = {name: _hidden(snapshot, checkout, new, chosen[name]) for name, snapshot in seen.items()}
        wanted = {name: [each for each in names if each not in hidden[name]] for name, names in chosen.items()}
        edits = add_key_plan.plan_edits(checkout, new, wanted, known, present[main.environment.name])
        addings = [self._adding(run, seen[run.environment.name], new, values_from) for run in self.runs]
        refuse_same({each.run.environment.name: each.values for each in addings})
        places = [
            each.place(chosen[each.run.environment.name], folders.get(each.run.environment.name)) for each in addings
        ]
        # Production comes last: what fails elsewhere does not reach it.
        places.sort(key=lambda place: place.environment == PRODUCTION)
        return Addition(
            new,
            self.root,
            edits,
            tuple(self._with_terraform(place, edits, seen[place.environment]) for place in places),
            add_key_plan.dirty_files(self.root, edits),
            (*self._notes(checkout, new, edits), *_hidden_notes(new, hidden), *_source_notes(values_from)),
        )

    def apply(
        self, plan: Addition | None, apply: bool, confirm: str = "", step: Callable[[str], None] = lambda name: None
    ) -> Added | None:
        """Add the key as planned, where `apply` says so; None where nothing was to be done.

        Raises UsageError without a key, and in production without its name in `confirm`, and what `executor.carry_out`
        raises.
        """
        if not apply:
            return None
        if plan is None:
            raise UsageError('key is empty: name the key to add, as in key = "NEW_API_KEY". Nothing was written.')
        if self.environment.is_production and confirm != PRODUCTION:
            raise UsageError(f'{PRODUCTION} is among them: set confirm = "{PRODUCTION}" as well. Nothing was written.')
        means = {
            run.environment.name: Means(run.clients, run.environment.names.cluster, run.look, Progress(), step, time)
            for run in self.runs
        }
        return executor.carry_out(plan, means)

    def judge(
        self, plan: Addition | None, before: Mapping[str, Snapshot], after: Mapping[str, Snapshot], done: Added | None
    ) -> tuple[Finding, ...]:
        """The findings that decide how it ended: what was wrong before and still is, is only remarked.

        That the key waits for its value is a remark too. An error of the key stays one until the plan is carried out.
        """
        unproved = {rollout.service for rollout in (done.rollouts if done else ()) if rollout.state not in PROVED}
        harm = [finding for place in (plan.places if plan else ()) for finding in place.harm]
        found: list[Finding] = [] if done else harm
        name_of = plan.key.name if plan and plan.sentences and not done else ""
        for run in self.runs:
            name = run.environment.name
            was = {(f.check, f.subject) for f in run.diagnose(before[name], families=FAMILIES) if f.is_problem}
            for finding in run.diagnose(after[name], families=FAMILIES):
                waits = plan is not None and finding.check in WAITING and finding.subject == plan.key.name
                same = (finding.check, finding.subject) in was and not finding.services & unproved
                stands = finding.severity == "error" and finding.is_root_cause and name_of in finding.subject.split()
                told = as_before(finding) if finding.is_problem and same and not stands else finding
                told = _as_planned(told) if waits and told.is_problem else told
                # Each check's answer once, but what is found in any environment.
                if finding.status in ("found", "unknown") or run is self.runs[0]:
                    found.append(told if run is self.runs[0] else replace(told, subject=f"{name}: {told.subject}"))
        return tuple(found)

    def conclude(self, findings: Sequence[Finding], done: Added | None = None, plan: Addition | None = None) -> Banner:
        """Say how the run ended and what it changed or would, and tell the caller; raises as `ending.end` does."""
        return self.runs[0].conclude(findings, done, plan)

    def _snapshot_checkout(self, seen: Mapping[str, Snapshot]) -> Checkout:
        checkout = seen[self.runs[0].environment.name].checkout
        assert checkout is not None, "every look of this run reads it"
        return checkout

    def _adding(self, run: Run, snapshot: Snapshot, new: NewKey, values_from: str) -> _Adding:
        """One environment's part, with the value that it gets; raises as `values_of` does."""
        kind = values_from.partition(":")[0]
        if len(self.runs) > 1 and kind in ("file", "env"):
            raise UsageError(
                f"{values_from} has one value, and no two environments should share one: add the key to one environment"
                " at a time, or use prompt or generate. Nothing was written."
            )
        entry = new.entry(snapshot.environment.keys)
        if kind == GENERATE and not entry.generate:
            entry = entry.model_copy(update={"generate": "hex-32"})
        known = {**snapshot.environment.keys, new.name: entry}
        here = replace(snapshot, environment=replace(snapshot.environment, keys=known))
        left = new_values.find_unfinished(run.clients, here)
        return _Adding(run, here, new, values_of(here, new, values_from, left), left)

    def _folders(self, terraform_dir: str) -> dict[str, Path]:
        """Each environment's folder of Terraform's; none where Terraform has no part in it."""
        text = terraform_dir.strip()
        if not text:
            return {}
        names = [run.environment.name for run in self.runs]
        if len(names) > 1 and ENVIRONMENT not in text:
            raise UsageError(
                f"terraform_dir is one environment's folder, and there are {', '.join(names)}: write {ENVIRONMENT} in"
                " it. Nothing was written."
            )
        paths = {name: expand(text.replace(ENVIRONMENT, name)) for name in names}
        return {name: path if path.is_absolute() or path.is_dir() else self.root / path for name, path in paths.items()}

    def _with_terraform(self, place: Place, edits: Sequence[Edit], snapshot: Snapshot) -> Place:
        if place.terraform_dir is None:
            return place
        changes = preview(self.root, place.terraform_dir, edits, snapshot.environment.names.profile)
        if place.lacking and not changes:
            raise UsageError(
                f"Terraform would change nothing in {place.terraform_dir}, though {', '.join(place.lacking)} in"
                f" {place.environment} would lack the variable: name the folder that its task definition comes from, or"
                " leave terraform_dir empty. Nothing was written."
            )
        harm = plan_json.find_harm(changes, snapshot.secret_name, snapshot.secret)
        return replace(place, terraform=executor.changes_of(changes), harm=harm)

    def _notes(self, checkout: Checkout, new: NewKey, edits: Sequence[Edit]) -> tuple[str, ...]:
        notes = []
        if checkout.task_definitions is None:
            notes.append("This checkout has no Terraform with a task definition, so that none is edited.")
        if edits and git.find_git_dir(self.root) is None:
            why = git.read_status(self.root).obstacle or "This checkout is in no git work tree."
            notes.append(f"{why} There will be no patch to go back with.")
        for edit in edits:
            if why := add_key_plan.why_no_patch(self.root, edit):
                notes.append(f"{edit.file.name} {why}: there will be no patch of it.")
        if any(edit.file.name == CONFIG for edit in edits):
            reasons = checkout.settings.ambiguities
            notes += (f"{why[0].upper()}{why[1:]}: see that {new.name} is read so." for why in reasons)
        if edits and not new.description:
            notes.append("Without a description nobody will know what the key is for: set one.")
        return tuple(notes)


@dataclass(frozen=True)
class _Adding:
    """One environment's part before it is planned: what is there, the value it gets, and what a killed run has left."""

    run: Run
    snapshot: Snapshot
    new: NewKey
    values: Mapping[str, Given]
    left: Unfinished | None

    def place(self, containers: tuple[str, ...], folder: Path | None) -> Place:
        """Plan it; raises as `plan_place` does, and UsageError for a value that another environment has too."""
        place = plan_place(self.snapshot, self.new, containers, self.values, folder, self.left)
        if not place.write:
            return place
        notes = reuse.compare(self.run.clients, self.snapshot.environment, self.run.caller, self.values)
        return replace(place, notes=(*place.notes, *notes))


def begin(environment: str, environments: str = "", runbook_toml: str = "", repository: str = "") -> KeyRun:
    """Begin add_key on a checkout and on each environment of a list with commas, or on the one named first.

    Raises as `runbook.begin` and `find_root` do.
    """
    names = listed("environments", environments) or (environment,)
    names = (environment, *(name for name in names if name != environment)) if environment in names else names
    runs = tuple(runbooks.begin("add_key", name, runbook_toml) for name in names)
    root = find_root(repository or runs[0].environment.repository)
    read_checkout(root)
    return KeyRun(root, runs)


def _hidden(snapshot: Snapshot, checkout: Checkout, new: NewKey, containers: Sequence[str]) -> tuple[str, ...]:
    """The containers that have the reference in force from what of Terraform cannot be read: none is added there."""
    declared = checkout.task_definitions
    unread = [name for name in containers if declared and declared.may_hide(name)]
    return held_by(snapshot, new, unread)


def _hidden_notes(new: NewKey, hidden: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    names = dict.fromkeys(name for names in hidden.values() for name in names)
    told = "has it in force, and where Terraform gives it cannot be read: no reference is added"
    return tuple(f"{name} {told} for {new.name}." for name in names)


def _source_notes(values_from: str) -> tuple[str, ...]:
    """What to know of the file that the value comes from: add_key leaves it where it is."""
    path = path_of(values_from)
    left = (f"{path} holds the value in the clear, and is left there: remove it afterwards.",) if path else ()
    return (*precautions(values_from), *left)


def _as_planned(finding: Finding) -> Finding:
    told = "It waits for its value, as planned: update gives it one."
    return replace(finding, severity="info", evidence=(*finding.evidence, told))
