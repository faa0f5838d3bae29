"""What the A/B tests of a rule set can show, told before they run: the smallest difference, and the mails it takes.

A test that is too small ends without a winner whatever is true, and costs its weeks all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from rules.errors import Problem
from rules.models import AbTest, RuleSet
from warehouse.ab_statistics import detectable_effect, sample_needed

REFERENCE_RATES: Mapping[str, float] = {"opened": 0.25, "clicked": 0.051, "converted": 0.01}
"""What rates are taken to be before there are any: opens and clicks are the guide's, conversions are assumed."""
_METRICS = {"opened": "開封率", "clicked": "クリック率", "converted": "CV率"}


@dataclass(frozen=True)
class Plan:
    """What one test can show.

    Attributes:
        test: The test.
        detectable: The smallest rise of a rate that the sample shows in four of five tests, 0 to 1; None where the size
            is not known beforehand, or is too small for any.
        needed: Mails over all variants that show ``smallest_effect``; None where no number does.
    """

    test: AbTest
    detectable: float | None
    needed: int | None

    @property
    def is_too_small(self) -> bool:
        """Whether the size is declared and does not do for the smallest difference that is worth knowing."""
        return self.test.sample_size is not None and (self.needed is None or self.test.sample_size < self.needed)


def plans_of(rules: RuleSet) -> list[Plan]:
    """Compute what each test of a rule set can show. Takes a second where there are any, and nothing where not."""
    return [_plan(step.test) for step in rules.steps if step.test is not None]


def _plan(test: AbTest) -> Plan:
    rate = REFERENCE_RATES[test.metric]
    total = sum(variant.share for variant in test.variants)
    first, *others = shares = [variant.share / total for variant in test.variants]
    detectable = None
    if test.sample_size is not None:
        # of several variants the one that gets least
        mails = (round(test.sample_size * min(others)), round(test.sample_size * first))
        detectable = detectable_effect(rate, *mails, len(others))
    return Plan(test, detectable, sample_needed(rate, test.smallest_effect, shares))


def to_line(plan: Plan) -> str:
    """Tell what a test can show, in a line of Japanese."""
    test = plan.test
    if test.sample_size is None:
        shown = f"送る数は{_ending(test)}で決まるため、見分けられる差は事前に分かりません"
    elif plan.detectable is None:
        shown = f"{test.sample_size:,}通では、どんな差も見分けられません"
    else:
        shown = f"{test.sample_size:,}通で見分けられる差は{_points(plan.detectable)}以上です"
    wanted = f"知りたい差{_points(test.smallest_effect)}"
    if plan.needed is None:
        needed = f"{wanted}は、何通送っても見分けられません"
    else:
        needed = f"{wanted}には全体で{plan.needed:,}通が必要です(差があれば5回に4回は見つかる数)"
    assumed = f"{_METRICS[test.metric]}{REFERENCE_RATES[test.metric] * 100:g}%と仮定すると"
    return f"ABテスト「{test.label}」: {assumed}、{shown}。{needed}"


def problem_of(plan: Plan) -> Problem | None:
    """Warn of a test whose declared size cannot show the smallest difference that it is to find."""
    if not plan.is_too_small:
        return None
    test = plan.test
    hint = ""
    if plan.detectable is not None:
        hint = f"smallest_effect を {ceil(plan.detectable * 1000) / 1000:.3f} 以上にする"
    if plan.needed is not None:
        hint = f"sample_size を {plan.needed} 以上にする" + (f"か、{hint}" if hint else "")
    return Problem(
        "ab_tests.yaml",
        f"test {test.id}",
        f"この数では、知りたい差{_points(test.smallest_effect)}があっても見逃しやすく、勝者なしで終わりがちです",
        received=f"sample_size: {test.sample_size}",
        hint=hint,
        is_warning=True,
    )


def _ending(test: AbTest) -> str:
    return f"読者数({test.sample_share:.0%})" if test.sample_share is not None else f"期間({test.days:g}日)"


def _points(share: float) -> str:
    return f"{share * 100:.1f}ポイント"
