"""What the figures of an A/B test are worth: effects with their intervals, now and at the end, and what could be seen.

All of it is computed from counts, so that an analyst can recompute it from the published table. Rates are shares of
the delivered mails; effects are differences of two rates. ``statsmodels`` is imported where it is used, since it takes
a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

ALPHA = 0.05
"""How often a test may find a difference where there is none."""
POWER = 0.8
"""How often a test is to find a difference as large as the smallest that is worth knowing."""
MISMATCH = 0.001
"""A share of variants that comes less often than this by chance is no chance: leads were lost on the way."""
LEAST_EVENTS = 5
"""Of either answer in either arm, before anything is said at an arbitrary time: with fewer, a variance is a guess."""


@dataclass(frozen=True)
class Effect:
    """A variant's rate less that of the first.

    Attributes:
        effect: The difference; None where an arm has no delivered mail.
        low: Lower end of its interval, for one look at the end (Newcombe's hybrid score interval, 1998).
        high: Its upper end.
        p_value: Of one look at the end (the pooled z-test of two proportions), times the number of comparisons.
        anytime_low: Lower end of the interval that holds at all times at once, however often one looks.
        anytime_high: Its upper end.
        anytime_p_value: The p-value of the same kind: one may stop as soon as it is small enough.
    """

    effect: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    anytime_low: float | None = None
    anytime_high: float | None = None
    anytime_p_value: float | None = None


def effect_of(
    reached: int, delivered: int, first_reached: int, first_delivered: int, comparisons: int, smallest_effect: float
) -> Effect:
    """Compare a variant with the first.

    Args:
        reached: The variant's mails that did what the test measures.
        delivered: The variant's delivered mails.
        first_reached: The same of the first variant.
        first_delivered: The same of the first variant.
        comparisons: In how many comparisons the test has to share its chance of error (Bonferroni).
        smallest_effect: The smallest difference that is worth knowing; the sequential method sees that one soonest.
    """
    if not delivered or not first_delivered:
        return Effect()
    from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

    low, high = confint_proportions_2indep(
        reached, delivered, first_reached, first_delivered, method="newcomb", compare="diff", alpha=ALPHA / comparisons
    )
    is_same = (reached in {0, delivered}) and reached * first_delivered == first_reached * delivered
    p_value = 1.0 if is_same else proportions_ztest([reached, first_reached], [delivered, first_delivered])[1]
    effect = reached / delivered - first_reached / first_delivered
    anytime = anytime_effect(reached, delivered, first_reached, first_delivered, ALPHA / comparisons, smallest_effect)
    return Effect(
        effect,
        float(low),
        float(high),
        min(1.0, float(p_value) * comparisons),
        *anytime[:2],
        None if anytime[2] is None else min(1.0, anytime[2] * comparisons),
    )


def anytime_effect(
    reached: int, delivered: int, first_reached: int, first_delivered: int, alpha: float, smallest_effect: float
) -> tuple[float | None, float | None, float | None]:
    """The interval and p-value of a difference that hold however often one looks, and whenever one stops.

    The normal mixture of Johari, Koomen, Pekelis and Walsh, "Always valid inference" (Operations Research 70, 2022):
    under no difference the mixture's likelihood ratio is a martingale, which Ville's inequality bounds at all times at
    once. The variance of the difference is estimated from the two rates.

    Returns:
        Both ends of the interval and the p-value; None where an arm has too few answers of either kind.
    """
    answers = (reached, delivered - reached, first_reached, first_delivered - first_reached)
    if min(answers) < LEAST_EVENTS:
        return None, None, None
    rate, first = reached / delivered, first_reached / first_delivered
    variance = rate * (1 - rate) / delivered + first * (1 - first) / first_delivered
    mixed = smallest_effect**2
    widest = sqrt(variance * (variance + mixed) / mixed * (log((variance + mixed) / variance) - 2 * log(alpha)))
    evidence = 0.5 * log(variance / (variance + mixed)) + (rate - first) ** 2 * mixed / (
        2 * variance * (variance + mixed)
    )
    return rate - first - widest, rate - first + widest, exp(-evidence) if evidence > 0 else 1.0


def sample_ratio_p_value(assigned: Sequence[int], shares: Sequence[float]) -> float | None:
    """How likely leads fall on variants as they did, or less as the shares say (Pearson's chi-square test).

    Args:
        assigned: Leads by variant.
        shares: What share of them each variant was to get; they sum to one.
    """
    total = sum(assigned)
    if not total or len(assigned) < 2:
        return None
    from scipy.stats import chisquare

    return float(chisquare(assigned, [share * total for share in shares]).pvalue)


def detectable_effect(rate: float, delivered: int, first_delivered: int, comparisons: int) -> float | None:
    """The smallest rise over a rate that so many mails show with the power wanted; None where none below 1 is shown."""
    if not delivered or not first_delivered or not 0 < rate < 1:
        return None
    from scipy.optimize import brentq

    def lacking(difference: float) -> float:
        return _power(difference, rate, delivered, first_delivered, comparisons) - POWER

    most = 1 - rate - 1e-9
    return float(brentq(lacking, 1e-9, most, xtol=1e-12)) if lacking(most) > 0 else None


def mails_needed(rate: float, smallest_effect: float, comparisons: int) -> int | None:
    """How many mails a variant needs so that a rise of ``smallest_effect`` over a rate is found with the power wanted.

    Args:
        rate: The rate of the first variant.
        smallest_effect: The rise, in shares.
        comparisons: In how many comparisons the test shares its chance of error.

    Returns:
        The mails of each variant; None where the rates are none of which one could say that.
    """
    if not 0 < rate < 1 - smallest_effect:
        return None
    return _least(lambda mails: _power(smallest_effect, rate, mails, mails, comparisons) >= POWER)


def sample_needed(rate: float, smallest_effect: float, shares: Sequence[float]) -> int | None:
    """How many mails over all variants show a rise of ``smallest_effect`` in each variant beside the first.

    Args:
        rate: The rate of the first variant.
        smallest_effect: The rise, in shares.
        shares: What share of the mails each variant gets, the first one's first; they sum to one.

    Returns:
        The mails; None where the rates are none of which one could say that.
    """
    if not 0 < rate < 1 - smallest_effect:
        return None
    first, *others = shares
    return _least(lambda mails: _power(smallest_effect, rate, mails * min(others), mails * first, len(others)) >= POWER)


def _least(is_enough: Callable[[int], bool]) -> int:
    """The least number, from 2, that is enough, where every greater one is as well."""
    low, high = 1, 2
    while not is_enough(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _power(difference: float, rate: float, delivered: float, first_delivered: float, comparisons: int) -> float:
    from statsmodels.stats.proportion import power_proportions_2indep

    return float(
        power_proportions_2indep(
            difference, rate, delivered, ratio=first_delivered / delivered, alpha=ALPHA / comparisons,
            return_results=False,
        )
    )  # fmt: skip
