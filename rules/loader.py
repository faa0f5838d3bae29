"""Reads a rule set's folder, checks it as a whole, and says everything that is wrong with it at once.

A file that cannot be read leaves what depends on it unchecked, so that one mistake is one problem and not fifty.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from rules import files
from rules.ab_tests import check_ab_tests
from rules.accounts import check_accounts
from rules.conditions import Conditions
from rules.delivery import check_delivery
from rules.documents import Document, load_document
from rules.errors import ConfigurationError, Problem
from rules.field_conditions import FieldConditions
from rules.forms import check_confirmations, check_forms
from rules.handoff import HandoffChecks
from rules.hints import nearest
from rules.lead_rules import check_fields, check_tiers, check_titles
from rules.lists import read_lists, shipped_content
from rules.mails import check_mails
from rules.models import Delivery, Field, Newsletter, RuleSet, SalesAction, Scenario, SfaSync, Step
from rules.names import Names
from rules.newsletters import check_newsletters
from rules.possible import Documents, check_possible
from rules.scenario_rows import SheetContext
from rules.scenario_steps import steps_of_sheet
from rules.scenarios import SHEET_PRIORITY, check_scenarios
from rules.scoring import check_scoring
from rules.segments import check_segments, meanings_of, segment_names
from rules.senders import check_senders
from rules.sfa import check_sfa
from rules.sheet import Row, read_sheet
from rules.stages import check_stages, stage_names
from rules.templates import contents_of
from rules.terms import check_vocabulary
from rules.trigger_mails import SCENARIO as TRIGGER_SCENARIO
from rules.trigger_mails import TriggerMailContext, check_trigger_mails

F = TypeVar("F", bound=BaseModel)


def load_rules(folder: Path) -> RuleSet:
    """Read and check a rule set; files that have not changed since are not read again.

    Raises:
        ConfigurationError: With every problem that is not a warning, where there is one.
    """
    return _load(folder, _state_of(folder))


def _state_of(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, change times and sizes of a folder's files: what tells whether it has to be read again."""
    stats = ((path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file())
    return tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats)


@lru_cache(maxsize=4)
def _load(folder: Path, state: tuple[tuple[str, int, int], ...]) -> RuleSet:
    rule_set, problems = check_rules(folder)
    errors = [problem for problem in problems if not problem.is_warning]
    if rule_set is None or errors:
        raise ConfigurationError(errors)
    return rule_set


def check_rules(folder: Path) -> tuple[RuleSet | None, list[Problem]]:
    """Read and check a rule set.

    Returns:
        The rule set, or None where it cannot be used; and all problems, warnings among them.
    """
    if not folder.is_dir():
        hint = "set NURTURE_RULES to a folder such as rules/guide"
        return None, [Problem(str(folder), "", "there is no rule set folder here", hint=hint)]
    reading = _Reading(folder)
    rule_set = reading.rule_set()
    has_error = any(not problem.is_warning for problem in reading.problems)
    return None if has_error else rule_set, reading.problems


def read_fields(folder: Path) -> tuple[Field, ...] | None:
    """Return the fields of a rule set whose other files may have errors; None where these have some themselves."""
    problems: list[Problem] = []
    document = load_document(folder / "fields.yaml", files.FieldsFile, problems)
    fields = check_fields(document, problems) if document is not None else None
    return fields if not any(not problem.is_warning for problem in problems) else None


class _Reading:
    """One pass over a folder: what was read so far, and what was wrong with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []
        self.contents: dict[str, bytes] = {}

    def rule_set(self) -> RuleSet | None:
        """Read everything; None where a part is missing."""
        ruleset = self._file("ruleset.yaml", files.RulesetFile)
        fields_file = self._file("fields.yaml", files.FieldsFile)
        titles_file = self._file("titles.yaml", files.TitlesFile)
        vocabulary_file = self._file("vocabulary.yaml", files.VocabularyFile)
        scoring_file = self._file("scoring.yaml", files.ScoringFile)
        tiers_file = self._file("tiers.yaml", files.TiersFile)
        stages_file = self._file("stages.yaml", files.StagesFile)
        segments_file = self._file("segments.yaml", files.SegmentsFile)
        senders_file = self._file("senders.yaml", files.SendersFile)
        handoff_file = self._file("handoff.yaml", files.HandoffFile)
        trigger_mails_file = self._file("trigger_mails.yaml", files.TriggerMailsFile)
        lists_file = self._file("lists.yaml", files.ListsFile, is_needed=False)
        accounts_file = self._file("accounts.yaml", files.AccountsFile, is_needed=False)
        delivery_file = self._file("delivery.yaml", Delivery, is_needed=False)
        scenarios_file = self._file("scenarios.yaml", files.ScenariosFile, is_needed=False)
        tests_file = self._file("ab_tests.yaml", files.AbTestsFile, is_needed=False)
        newsletters_file = self._file("newsletters.yaml", files.NewslettersFile, is_needed=False)
        forms_file = self._file("forms.yaml", files.FormsFile, is_needed=False)
        sfa_file = self._file("sfa.yaml", SfaSync, is_needed=False)
        for name in ("forms.yaml", "sfa.yaml"):
            self.contents.pop(name, None)  # nothing is derived from it, so a new wording is no new version
        rows = self._sheets(ruleset)

        of_segments = segment_names(segments_file) if segments_file else None
        of_stages = stage_names(stages_file) if stages_file else None
        named = [(one.id, one.label) for one in scenarios_file.value.scenarios] if scenarios_file else []
        named += [(one.id, one.label) for one in newsletters_file.value.newsletters] if newsletters_file else []
        are_read = not self._is_unread("scenarios.yaml", scenarios_file) and not self._is_unread(
            "newsletters.yaml", newsletters_file
        )
        is_known = of_segments is not None and are_read
        scenario_names = (
            Names("scenario", [*of_segments.pairs(), *named, (TRIGGER_SCENARIO, "")])
            if is_known and of_segments is not None
            else None
        )
        vocabulary, selectors = check_vocabulary(vocabulary_file, scenario_names, self.problems)
        fields = check_fields(fields_file, self.problems) if fields_file else None
        forms, assets = check_forms(forms_file, self.folder, fields, self.problems)
        levels = check_titles(titles_file, self.problems) if titles_file else None
        known_lists, values_of_lists = read_lists(lists_file, self.problems)
        lists = None if self._is_unread("lists.yaml", lists_file) else known_lists
        self.contents["the lists that ship"] = shipped_content(values_of_lists)
        accounts = check_accounts(accounts_file, fields, lists, values_of_lists, self.problems)
        delivery, of_windows = check_delivery(delivery_file, fields, self.problems, lists, values_of_lists)
        windows = None if self._is_unread("delivery.yaml", delivery_file) else of_windows
        tiers = check_tiers(tiers_file, self.problems) if tiers_file else None
        sfa = check_sfa(sfa_file, fields, of_segments, self.problems)
        senders = check_senders(senders_file, self.problems) if senders_file else None
        sender_names = Names("sender", [(sender.id, "") for sender in senders]) if senders else None

        conditions = Conditions(
            field_conditions=FieldConditions(
                fields={field.id: field for field in fields} if fields is not None else None,
                title_levels=Names("title level", [(one.id, one.label) for one in levels]) if levels else None,
                lists=lists,
                values_of_lists=values_of_lists,
            ),
            selectors=selectors,
            tiers=Names("tier", [(tier.id, tier.label) for tier in tiers]) if tiers else None,
            stages=of_stages,
            segments=of_segments,
        )
        segments = check_segments(segments_file, conditions, self.problems) if segments_file else None
        meanings = meanings_of(segments or ())
        of_ranks = replace(conditions, meanings=meanings, refers_to=[])
        scoring = check_scoring(scoring_file, of_ranks, self.problems) if scoring_file else None
        stages, falls = check_stages(stages_file, of_ranks, self.problems) if stages_file else (None, ())
        if segments_file and scoring_file and stages_file and tiers_file and segments and scoring and stages and tiers:
            documents = Documents(segments_file, scoring_file, stages_file, tiers_file)
            check_possible(documents, segments, scoring, stages, falls, tiers, meanings, self.problems)

        tests = check_ab_tests(tests_file, vocabulary, windows, self.problems)
        default_sender = ruleset.value.default_sender if ruleset else ""
        if ruleset is not None and sender_names is not None:
            default_sender = sender_names.resolve(default_sender, ruleset.spot(self.problems, "default_sender")) or ""
        steps: list[Step] = []
        actions: list[SalesAction] = []
        handoff = None
        if handoff_file is not None:
            checks = HandoffChecks(handoff_file, selectors, sender_names, of_segments, windows, tiers)
            handoff, actions = checks.read(handoff_file.spot(self.problems))
        if rows is not None and vocabulary is not None and ruleset is not None:
            context = SheetContext(
                vocabulary,
                of_segments,
                stages or (),
                default_sender,
                ruleset.value.default_follow_up,
                delivery,
                windows,
                tests,
            )
            steps, of_sheet = steps_of_sheet(rows, context)
            actions = of_sheet + actions
        scenarios: tuple[Scenario, ...] = ()
        newsletters: tuple[Newsletter, ...] = ()
        if vocabulary is not None:
            triggers = TriggerMailContext(
                vocabulary, of_segments, of_stages, sender_names, default_sender, delivery, windows, tests
            )
            taken = [TRIGGER_SCENARIO, *(of_segments.labels if of_segments is not None else ())]
            scenarios, of_scenarios = check_scenarios(scenarios_file, triggers, selectors, taken, self.problems)
            steps = _in_order([*((SHEET_PRIORITY, step) for step in steps), *of_scenarios])
            if trigger_mails_file is not None:
                mails, notices = check_trigger_mails(trigger_mails_file, triggers, len(steps) + 1, self.problems)
                steps, actions = steps + mails, actions + notices
            taken += [one.id for one in scenarios_file.value.scenarios] if scenarios_file else []
            newsletters, issues = check_newsletters(newsletters_file, triggers, len(steps) + 1, taken, self.problems)
            steps = steps + issues
        # Without the sheet or the trigger mails every template they use would seem unused.
        is_whole = rows is not None and trigger_mails_file is not None and vocabulary is not None and are_read
        if is_whole and of_segments is not None and of_stages is not None:
            selectors.check_steps(steps)
        if is_whole and tests_file is not None:
            for name in tests.unused():
                at = [one.id for one in tests_file.value.ab_tests].index(name)
                tests_file.spot(self.problems, "ab_tests", at).fault(
                    "no mail names this test", received=name, hint="name it under test, or in ABテスト", is_warning=True
                )
        mail_problems: list[Problem] = []
        versions = [version for step in steps for version in step.versions().values()]
        templates = check_mails(self.folder, fields, versions, mail_problems)
        has_errors = any(not problem.is_warning for problem in self.problems)
        self.problems += [one for one in mail_problems if not one.is_warning or (is_whole and not has_errors)]
        if forms_file is not None and is_whole:
            check_confirmations(forms_file, steps, templates, self.problems)
        for template in templates:
            self.contents.update(contents_of(self.folder, template.id))

        if (
            ruleset is None or fields is None or levels is None or vocabulary_file is None or scoring is None
            or vocabulary is None or tiers is None or stages is None or segments is None or senders is None
            or handoff is None or accounts is None
        ):  # fmt: skip
            return None
        kept = ruleset.value.model_dump(exclude={"default_sender", "default_follow_up", "sheet"})
        return RuleSet(
            **kept,
            version=version_of(self.contents),
            fields=fields,
            title_levels=levels,
            accounts=accounts,
            page_groups=vocabulary_file.value.page_groups,
            asset_groups=vocabulary_file.value.asset_groups,
            terms=vocabulary.terms,
            scoring=scoring.rules,
            scoring_groups=scoring.groups,
            minimum_score=scoring.minimum_score,
            maximum_score=scoring.maximum_score,
            tiers=tiers,
            stages=stages,
            fall_backs=falls,
            segments=segments,
            senders=senders,
            templates=templates,
            steps=tuple(steps),
            scenarios=scenarios,
            newsletters=newsletters,
            sales_actions=tuple(actions),
            handoff=handoff,
            sfa=sfa,
            delivery=delivery,
            forms=forms,
            assets=assets,
        )

    def _file(self, name: str, model: type[F], *, is_needed: bool = True) -> Document[F] | None:
        path = self.folder / name
        if not path.exists() and not is_needed:
            return None
        if not path.exists():
            near = nearest(name, [found.name for found in self.folder.glob("*.y*ml")], cutoff=0.75)
            hint = f"rename '{near[0]}' to '{name}'" if near else "copy it from rules/guide"
            self.problems.append(Problem(name, "", "the rule file is missing", hint=hint))
            return None
        document = load_document(path, model, self.problems)
        if document is not None:
            self.contents[name] = document.content
        return document

    def _is_unread(self, name: str, document: Document[F] | None) -> bool:
        """Whether a file that may be left out is there and could not be read."""
        return document is None and (self.folder / name).exists()

    def _sheets(self, ruleset: Document[files.RulesetFile] | None) -> list[Row] | None:
        if ruleset is None:
            return None
        names = ruleset.value.sheet
        rows: list[Row] = []
        is_whole = True
        for position, name in enumerate((names,) if isinstance(names, str) else names):
            path = self.folder / name
            if not path.resolve().is_relative_to(self.folder.resolve()):
                hint = "put the sheet into the rule set's folder"
                ruleset.spot(self.problems, "sheet", position).fault("the sheet is in another folder", hint=hint)
                is_whole = False
                continue
            found = read_sheet(path, self.problems, name)
            if found is None:
                is_whole = False
            else:
                rows += found[0]
                self.contents[name] = found[1]
        return rows if is_whole else None


def _in_order(steps: Sequence[tuple[int, Step]]) -> list[Step]:
    """Number the steps by the priority of what they belong to, and else in the order in which they stand."""
    ordered = [step for _, step in sorted(steps, key=lambda pair: pair[0])]
    return [step.model_copy(update={"priority": number}) for number, step in enumerate(ordered, start=1)]


def version_of(contents: Mapping[str, bytes]) -> str:
    """Return the version of a rule set: a hash over the names and bytes of the files it was read from."""
    digest = hashlib.sha256()
    for name in sorted(contents):
        digest.update(f"{name}\n{len(contents[name])}\n".encode())
        digest.update(contents[name])
    return digest.hexdigest()[:16]
