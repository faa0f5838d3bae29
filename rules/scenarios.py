"""What ``scenarios.yaml`` means: the nodes of each scenario, and its mails as steps like those of the sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from rules.delivery import window_of
from rules.documents import Document, Spot
from rules.errors import Problem
from rules.files import BranchQuestion, ScenarioEntry, ScenarioPart, ScenariosFile
from rules.hints import did_you_mean, listed, shown
from rules.models import EVERYONE, Arm, Exit, Node, Scenario, Selector, Step, Wait
from rules.names import check_id, check_ids
from rules.scenario_models import ExitKind
from rules.scenario_words import parse_exits, parse_re_entry, parse_wait, understood
from rules.selectors import Selectors
from rules.timing import Timing, parse_cta, parse_timing
from rules.trigger_mails import TriggerMailContext

SHEET_PRIORITY = 100
"""Scenarios of a lower number stand before the sheet's rows."""
_START = "^"
"""Stands for the mail before the first; no id holds it."""
_PARTS = ("mail", "wait", "branch", "end")
_OF_MAILS = ("label", "subject", "template", "sender", "window", "cta", "test")


@dataclass
class _Building:
    """A scenario while its parts are read: nodes stand in it from the last to the first."""

    entry: ScenarioEntry
    segment: str
    sender: str
    window: str | None
    context: TriggerMailContext
    selectors: Selectors
    nodes: list[Node] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    mails: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, Spot]] = field(default_factory=list)


def check_scenarios(
    document: Document[ScenariosFile] | None,
    context: TriggerMailContext,
    selectors: Selectors,
    taken: Sequence[str],
    problems: list[Problem],
) -> tuple[tuple[Scenario, ...], list[tuple[int, Step]]]:
    """Return the scenarios and their mails, each with its scenario's priority, after reporting what is wrong.

    Args:
        document: The file; None where there is none.
        context: What mails refer to.
        selectors: Reads what branches ask.
        taken: Names that other scenarios bear: segments of the sheet, the trigger mails.
        problems: Faults are appended here.
    """
    if document is None:
        return (), []
    spot = document.spot(problems, "scenarios")
    check_ids(document.value.scenarios, spot, "scenario")
    scenarios: list[Scenario] = []
    steps: list[tuple[int, Step]] = []
    for position, entry in enumerate(document.value.scenarios):
        here = spot.at(position)
        if entry.id in taken:
            here.at("id").fault(
                "a segment or another kind of mail bears this name",
                received=shown(entry.id),
                hint="the figures of both would be one: choose another id",
            )
            continue
        before = sum(not problem.is_warning for problem in problems)
        found = _scenario(entry, context, selectors, here)
        if found is not None and sum(not problem.is_warning for problem in problems) == before:
            scenarios.append(found[0])
            steps += [(entry.priority, step) for step in found[1]]
    return tuple(scenarios), steps


def _scenario(
    entry: ScenarioEntry, context: TriggerMailContext, selectors: Selectors, spot: Spot
) -> tuple[Scenario, list[Step]] | None:
    segment, sender, window = entry.segment, entry.sender or context.default_sender, None
    if context.segments is not None:
        segment = context.segments.resolve(entry.segment, spot.at("segment")) or EVERYONE
    if entry.sender is not None and context.senders is not None:
        sender = context.senders.resolve(entry.sender, spot.at("sender")) or ""
    if entry.window is not None and context.windows is not None:
        window = context.windows.resolve(entry.window, spot.at("window"))
    timing = _timing(entry, context, spot)
    re_entry = understood(parse_re_entry, entry.re_entry, spot.at("re_entry"))
    goal = understood(lambda text: parse_cta(text, context.vocabulary), entry.goal, spot.at("goal"))
    building = _Building(entry, segment, sender, window, context, selectors)
    first = _read(entry.steps, None, building, spot.at("steps"), _START)
    for mail, at in building.asked:
        if mail not in building.mails:
            at.fault(
                "this scenario sends no such mail",
                received=shown(mail),
                allowed=listed(building.mails),
                hint=did_you_mean(mail, list(building.mails)),
            )
    if not building.steps:
        spot.at("steps").fault("this scenario sends no mail", hint="add - mail: …, or switch the scenario off")
    if first is None or not building.nodes:
        return None
    exits = _exits(entry, goal.selector if goal else None, spot)
    scenario = Scenario(
        id=entry.id,
        label=entry.label,
        segment=segment,
        entry=timing.selector if timing else None,
        entry_count=timing.count if timing else 1,
        with_members=entry.with_members,
        re_entry=re_entry,
        exits=exits,
        nodes=tuple(reversed(building.nodes)),
        is_enabled=entry.is_enabled,
        source=f"{spot.file} line {spot.line()}",
    )
    asks_segment = any(one.kind == "segment" for one in exits)
    return scenario, [step.model_copy(update={"asks_segment": asks_segment}) for step in reversed(building.steps)]


def _timing(entry: ScenarioEntry, context: TriggerMailContext, spot: Spot) -> Timing | None:
    """What a lead does to enter; None where entering the segment is it."""
    if entry.on is None:
        if entry.segment == EVERYONE:
            spot.fault("nothing begins this scenario", hint="name a behaviour in on:, or a segment, or both")
        return None
    text = entry.on
    folded = context.vocabulary.find(text)
    timing = (
        Timing(folded.selector, 1, timedelta(0), folded)
        if folded is not None
        else understood(lambda given: parse_timing(given, context.vocabulary), text, spot.at("on"))
    )
    if timing is not None and timing.delay:
        spot.at("on").fault("a scenario begins at once", received=shown(text), hint="begin it with - wait: …")
    if entry.with_members:
        spot.at("with_members").fault(
            "those in the segment already did not do what begins this scenario", hint="leave out with_members, or on"
        )
    return timing


def _exits(entry: ScenarioEntry, goal: Selector | None, spot: Spot) -> tuple[Exit, ...]:
    """What ends a run early; by default the goal, a deal, the end of consent, and leaving a segment that began it."""
    kinds: dict[ExitKind, None] = {}
    if entry.exit_when is None:
        usual: tuple[tuple[ExitKind, bool], ...] = (
            ("goal", goal is not None), ("deal", True), ("consent", True), ("segment", entry.on is None)
        )  # fmt: skip
        kinds = {kind: None for kind, is_meant in usual if is_meant}
    for position, text in enumerate(entry.exit_when or ()):
        found = understood(parse_exits, text, spot.at("exit_when", position))
        kinds |= dict.fromkeys(found or ())
    if "goal" in kinds and goal is None:
        spot.at("exit_when").fault("leaving at the goal needs one", hint="name it: goal: 個別相談申込")
    return tuple(Exit(kind=kind, on=goal if kind == "goal" else None) for kind in kinds)


def _read(parts: Sequence[ScenarioPart], after: str | None, building: _Building, spot: Spot, path: str) -> str | None:
    """Read parts from the last to the first, each knowing what comes after it. Returns the first one's name."""
    following = after
    names = _names_of(parts, path)
    for position in range(len(parts) - 1, -1, -1):
        part, here = parts[position], spot.at(position)
        given = [name for name in _PARTS if getattr(part, name) is not None]
        if len(given) != 1:
            here.fault("a part of a scenario is exactly one of these", received=listed(given), allowed=listed(_PARTS))
            continue
        if part.end is False or (part.mail is None and not part.is_enabled):
            here.fault("this says nothing", hint="remove the part, or the key")
            continue
        if part.mail is None and (wrong := [name for name in _OF_MAILS if getattr(part, name)]):
            here.fault(f"a {given[0]} has none of these", received=listed(wrong), hint="they belong to a mail")
            continue
        name = names[position]
        if part.mail is not None:
            following = _mail(part, part.mail, following, building, here)
        elif part.wait is not None:
            wait = understood(parse_wait, part.wait, here.at("wait"))
            building.nodes.append(Node(node=name, kind="wait", next=following, wait=wait or Wait()))
            following = name
        elif part.branch is not None:
            following = _branch(part, name, following, building, here.at("branch"))
        else:
            if position != len(parts) - 1:
                here.fault("nothing comes after the end", hint="remove what stands below it")
            following = None
    return following


def _names_of(parts: Sequence[ScenarioPart], path: str) -> list[str]:
    """Name each part: a mail by its id, another by how far it stands behind a mail, so that edits elsewhere keep it."""
    names, behind, count = [], path, 0
    for part in parts:
        behind, count = (part.mail, 0) if part.mail is not None else (behind, count + 1)
        names.append(part.mail or f"{behind}+{count}")
    return names


def _mail(part: ScenarioPart, mail: str, after: str | None, building: _Building, spot: Spot) -> str:
    context, entry = building.context, building.entry
    if mail in building.mails:
        spot.at("mail").fault(
            "a scenario sends a mail once",
            received=f"{shown(mail)}, also on line {building.mails[mail]}",
            hint="give this one an id of its own; it may name the same template",
        )
    building.mails[mail] = spot.line()
    check_id(mail, spot.at("mail"), "mail")
    sender, window = building.sender, building.window
    if part.sender is not None and context.senders is not None:
        sender = context.senders.resolve(part.sender, spot.at("sender")) or ""
    if part.window is not None and context.windows is not None:
        window = context.windows.resolve(part.window, spot.at("window"))
    cta = understood(lambda text: parse_cta(text, context.vocabulary), part.cta, spot.at("cta"))
    building.nodes.append(Node(node=mail, kind="mail", next=after))
    building.steps.append(
        context.tests.named(
            part.test,
            Step(
                scenario=entry.id,
                step=mail,
                label=part.label or mail,
                kind="step",
                priority=0,
                segment=building.segment,
                stage=None,
                trigger=None,
                category="marketing",
                window=window_of(window, "marketing", context.delivery),
                subject=part.subject,
                template=part.template or mail,
                sender=sender,
                cta=cta.selector if cta else None,
                cta_label=part.cta if cta else "",
                is_enabled=part.is_enabled,
                source=f"{spot.file} line {spot.line()}",
            ),
            spot.at("test"),
        )
    )
    return mail


def _branch(part: ScenarioPart, name: str, after: str | None, building: _Building, spot: Spot) -> str:
    arms: list[Arm] = []
    for position, arm in enumerate(part.branch or ()):
        here = spot.at(position)
        first = _read(arm.steps, after, building, here.at("steps"), f"{name}.{position + 1}")
        if arm.when is not None:
            asked = _question(arm.when, building, here.at("when"))
            arms.append(asked.model_copy(update={"next": first}))
            continue
        if position != len(part.branch or ()) - 1:
            here.fault("an arm without when: takes everyone, so those below it take nobody", hint="put it last")
        arms.append(Arm(next=first))
    if not part.branch:
        spot.fault("a branch has arms", hint="such as - {when: {did: 事例集DL}, steps: […]}")
    if not arms or arms[-1].segment is not None or arms[-1].on is not None:
        arms.append(Arm(next=after))
    building.nodes.append(Node(node=name, kind="branch", next=after, arms=tuple(arms)))
    return name


def _question(when: BranchQuestion, building: _Building, spot: Spot) -> Arm:
    given = [name for name in ("segment", "did", "opened", "clicked") if getattr(when, name) is not None]
    if len(given) != 1:
        allowed = "segment, did, opened, clicked"
        spot.fault("a branch asks exactly one thing", received=listed(given), allowed=allowed)
        return Arm(next=None)
    if when.did is None and when.times != 1:
        spot.at("times").fault("only a behaviour is counted", received=shown(when.times), hint="leave times out")
    if when.segment is not None:
        segments = building.context.segments
        found = segments.resolve(when.segment, spot.at("segment")) if segments is not None else when.segment
        return Arm(segment=found, next=None)
    if when.did is not None:
        return Arm(on=building.selectors.read(when.did, spot.at("did")), at_least=when.times, next=None)
    event, mail = ("mail_open", when.opened) if when.opened is not None else ("mail_click", str(when.clicked))
    building.asked.append((mail, spot.at(given[0])))
    return Arm(on=Selector(event=event, scenario=building.entry.id, step=mail), at_least=when.times, next=None)
