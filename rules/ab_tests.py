"""What ``ab_tests.yaml`` means: versions of a mail, and which share of the leads gets each."""

from __future__ import annotations

from collections.abc import Sequence

from rules.ab_test_models import AbTest, Metric, Variant
from rules.delivery import ANY_TIME
from rules.documents import Document, Spot
from rules.errors import Problem
from rules.files import AbTestEntry, AbTestsFile, VariantEntry
from rules.hints import did_you_mean, shown
from rules.models import Step
from rules.names import Names, Reports, check_ids
from rules.scenario_words import understood
from rules.timing import parse_cta
from rules.vocabulary import Vocabulary, normalised

_METRICS: dict[str, Metric] = {
    "opened": "opened", "開封": "opened", "開封率": "opened",
    "clicked": "clicked", "クリック": "clicked", "クリック率": "clicked",
    "converted": "converted", "cv": "converted", "コンバージョン": "converted", "cta": "converted", "cv率": "converted",
}  # fmt: skip

_SMALLEST_EFFECTS: dict[Metric, float] = {"opened": 0.05, "clicked": 0.02, "converted": 0.01}
"""What is worth knowing where a test does not say: about a fifth of the rate that is usual."""


class AbTests:
    """The tests of a rule set, by name; each is of one step."""

    def __init__(self, tests: Sequence[AbTest]) -> None:
        self._tests = {test.id: test for test in tests}
        self._names = Names("A/B test", [(test.id, test.label) for test in tests])
        self._used: dict[str, str] = {}

    def named(self, text: str | None, step: Step, spot: Reports) -> Step:
        """Return a step with the test that it names; unchanged where it names none or the test cannot be its own."""
        name = self._names.resolve(text, spot) if text else None
        if name is None:
            return step
        test = self._tests[name]
        if (other := self._used.setdefault(name, step.source)) != step.source:
            spot.fault("a test is of one mail", received=f"{shown(text)}, also {other}", hint="write a test of its own")
        elif test.sample_share is not None and step.kind != "newsletter":
            spot.fault(
                "sample_share is for newsletters, where all readers are there at once",
                received=shown(test.sample_share),
                hint="leave it out, and give sample_size",
            )
        elif step.kind == "newsletter" and test.sample_share is None and test.sample_size is None:
            spot.fault(
                "a test of a newsletter needs a sample", hint="such as sample_share: 0.2: the others get the winner"
            )
        elif test.metric == "converted" and step.cta is None and not any(one.cta for one in test.variants):
            spot.fault("the mail asks for nothing, so nobody converts", received="metric: converted", hint="name a cta")
        return step.model_copy(update={"test": test})

    def unused(self) -> list[str]:
        """Return the tests that no step names."""
        return [name for name in self._tests if name not in self._used]


def check_ab_tests(
    document: Document[AbTestsFile] | None,
    vocabulary: Vocabulary | None,
    windows: Names | None,
    problems: list[Problem],
) -> AbTests:
    """Return the tests, after reporting what is wrong with them."""
    if document is None:
        return AbTests(())
    spot = document.spot(problems, "ab_tests")
    check_ids(document.value.ab_tests, spot, "test")
    found = [_test(entry, vocabulary, windows, spot.at(at)) for at, entry in enumerate(document.value.ab_tests)]
    return AbTests(found)


def _test(entry: AbTestEntry, vocabulary: Vocabulary | None, windows: Names | None, spot: Spot) -> AbTest:
    check_ids(entry.variants, spot.at("variants"), "variant")
    metric = _METRICS.get(normalised(entry.metric))
    if metric is None:
        hint = did_you_mean(entry.metric, _METRICS)
        spot.at("metric").fault(
            "there is no such metric", received=shown(entry.metric), allowed="opened, clicked, converted", hint=hint
        )
    if entry.sample_size is None and entry.days is None:
        hint = "such as sample_size: 2000, or days: 14"
        spot.fault("a test that nothing ends never has a winner", hint=hint)
    variants = tuple(
        _variant(one, vocabulary, windows, spot.at("variants", at)) for at, one in enumerate(entry.variants)
    )
    changed = [one.model_copy(update={"id": "", "label": "", "share": 1.0}) for one in variants]
    if any(changed.count(one) > 1 for one in changed):
        spot.at("variants").fault(
            "two variants are the same mail", hint="change the subject, template, window or cta of one"
        )
    return AbTest(
        id=entry.id,
        label=entry.label,
        metric=metric or "opened",
        variants=variants,
        sample_size=entry.sample_size,
        sample_share=entry.sample_share,
        days=entry.days,
        smallest_effect=entry.smallest_effect or _SMALLEST_EFFECTS[metric or "opened"],
        measure_hours=entry.measure_hours,
    )


def _variant(entry: VariantEntry, vocabulary: Vocabulary | None, windows: Names | None, spot: Spot) -> Variant:
    window, cta = entry.window, None
    if entry.window is not None and windows is not None:
        window = windows.resolve(entry.window, spot.at("window"))
    if entry.cta is not None and vocabulary is not None:
        cta = understood(lambda text: parse_cta(text, vocabulary), entry.cta, spot.at("cta"))
    return Variant(
        id=entry.id,
        label=entry.label or entry.id,
        share=entry.share,
        subject=entry.subject,
        template=entry.template,
        window=None if window == ANY_TIME else window,
        has_window=entry.window is not None,
        cta=cta.selector if cta else None,
        cta_label=entry.cta if cta and entry.cta else "",
    )
