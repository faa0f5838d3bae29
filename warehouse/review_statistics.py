"""What the figures of a review are worth: is a change more than noise, does a rule foretell deals, does a segment tire?

Everything is computed from counts. ``scipy`` and ``statsmodels`` are imported where they are used, since they take a
second. P-values are of one comparison; :func:`adjusted` makes them those of a whole review.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import NamedTuple

ALPHA = 0.05
"""Of what a review calls more than noise, at most this share is noise, on average."""
FEWEST = 5
"""Of a kind of answer, below which a normal approximation is none."""
LEAST_PERIODS = 4
"""Earlier periods from which is learnt how much a figure moves by itself; with fewer, chance alone is reckoned with."""
Counts = tuple[int, int]
"""How many did it, out of how many."""


@dataclass(frozen=True)
class Comparison:
    """A change, its 95 % interval and the p-value of there being none; None where nothing can be said."""

    change: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None


def adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values for all comparisons of a review together; those that are None are no comparisons.

    Of the comparisons whose adjusted value is at most q, on average at most the share q are none
    (Benjamini and Hochberg, Journal of the Royal Statistical Society B 57, 1995).
    """
    known = sorted((value, at) for at, value in enumerate(p_values) if value is not None)
    result: list[float | None] = [None] * len(p_values)
    least = 1.0
    for rank, (value, at) in reversed(list(enumerate(known, start=1))):
        least = min(least, value * len(known) / rank)
        result[at] = least
    return result


class Spread(NamedTuple):
    """How much more a figure moves from period to period than chance alone moves it, and how well that is known."""

    times: float = 1.0
    freedom: int = 0


def spread_of_rates(before: Sequence[Counts]) -> Spread:
    """The spread of a rate over earlier periods: Pearson's statistic by its degrees of freedom, at least 1.

    Readers differ from mail to mail, so rates move more than draws from one urn (McCullagh and Nelder, Generalized
    Linear Models, 1989, section 4.5).
    """
    known = [(hits, trials) for hits, trials in before if trials]
    hits, trials = sum(one[0] for one in known), sum(one[1] for one in known)
    if len(known) < LEAST_PERIODS or not 0 < hits < trials:
        return Spread()
    rate = hits / trials
    pearson = sum((one - size * rate) ** 2 / (size * rate * (1 - rate)) for one, size in known)
    return Spread(max(1.0, pearson / (len(known) - 1)), len(known) - 1)


def spread_of_counts(before: Sequence[tuple[int, float]]) -> Spread:
    """The same of counts, each with the days in which it was counted."""
    days = sum(one[1] for one in before)
    count = sum(one[0] for one in before)
    if len(before) < LEAST_PERIODS or not count:
        return Spread()
    rate = count / days
    pearson = sum((one - size * rate) ** 2 / (size * rate) for one, size in before)
    return Spread(max(1.0, pearson / (len(before) - 1)), len(before) - 1)


def rate_change(now: Counts, before: Counts, spread: Spread = Spread()) -> Comparison:  # noqa: B008 - frozen
    """The difference of two rates: the pooled z-test, Fisher's exact test where counts are small; Newcombe's interval.

    Args:
        now: What did it in the period, out of how many.
        before: The same in the period before.
        spread: How much the rate moves by itself; beyond 1, t-test and interval are as much wider.
    """
    (hits, trials), (hits_before, trials_before) = now, before
    if not trials or not trials_before:
        return Comparison()
    from scipy.stats import fisher_exact, norm, t
    from statsmodels.stats.proportion import confint_proportions_2indep

    change = hits / trials - hits_before / trials_before
    pooled = (hits + hits_before) / (trials + trials_before)
    error = sqrt(pooled * (1 - pooled) * (1 / trials + 1 / trials_before))
    low, high = confint_proportions_2indep(hits, trials, hits_before, trials_before, method="newcomb", compare="diff")
    wider = sqrt(spread.times)
    if spread.times > 1:
        wider *= float(t.ppf(1 - ALPHA / 2, spread.freedom) / norm.ppf(1 - ALPHA / 2))
    low, high = change - (change - low) * wider, change + (high - change) * wider
    if error == 0:
        p_value = 1.0
    elif spread.times > 1:
        p_value = 2 * float(t.sf(abs(change) / error / sqrt(spread.times), spread.freedom))
    elif min(pooled, 1 - pooled) * min(trials, trials_before) < FEWEST:
        p_value = float(fisher_exact([[hits, trials - hits], [hits_before, trials_before - hits_before]])[1])
    else:
        p_value = 2 * float(norm.sf(abs(change) / error))
    return Comparison(change, max(-1.0, float(low)), min(1.0, float(high)), min(1.0, p_value))


def count_change(now: tuple[int, float], before: tuple[int, float], spread: Spread = Spread()) -> Comparison:  # noqa: B008
    """The difference of two counts, each with its days: the exact conditional test of two Poisson means.

    By Przyborowski and Wilenski (Biometrika 31, 1940). Where the count moves more than a Poisson count, it is the
    t-test with the variance that many times the mean. The change is that of the counts, the days being equal.
    """
    (count, days), (count_before, days_before) = now, before
    if not count + count_before:
        return Comparison()
    from scipy.stats import binomtest, norm, t

    expected = count_before * days / days_before
    error = sqrt(spread.times * (count + expected * days / days_before))
    share = days / (days + days_before)
    if spread.times > 1:
        at_null = sqrt(spread.times * (count + count_before) * share * (1 - share))
        p_value = 2 * float(t.sf(abs(count - (count + count_before) * share) / at_null, spread.freedom))
        reach = float(t.ppf(1 - ALPHA / 2, spread.freedom))
    else:
        p_value = float(binomtest(count, count + count_before, share).pvalue)
        reach = float(norm.ppf(1 - ALPHA / 2))
    change = count - expected
    return Comparison(change, change - reach * error, change + reach * error, min(1.0, p_value))


class Stratum(NamedTuple):
    """Leads that are alike but for one thing: those that have it and those that do not, and whose deals came."""

    leads: int
    deals: int
    others: int
    deals_of_others: int


@dataclass(frozen=True)
class Lift:
    """How many times as many leads became deals, of those that have something, as of their like that have not.

    Attributes:
        lift: The ratio of Mantel and Haenszel; None where deals are too few to say.
        low: Lower end of its 95 % interval.
        high: Its upper end; infinite where no lead without it became a deal.
        p_value: Of there being no difference.
        rate: Of the leads that have it, the share that became deals.
        rate_alike: The share to be expected of them, were they like the others.
        leads: How many have it.
        deals: Of these, deals.
    """

    leads: int
    deals: int
    rate: float | None = None
    rate_alike: float | None = None
    lift: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None


def lift_of(strata: Sequence[Stratum]) -> Lift:
    """The lift over strata: ratio of Mantel and Haenszel, interval of Greenland and Robins (Biometrics 41, 1985).

    The p-value is that of the Cochran-Mantel-Haenszel test. Nothing is said where fewer than :data:`FEWEST` deals are
    to be expected on either side.
    """
    leads, deals = sum(one.leads for one in strata), sum(one.deals for one in strata)
    usable = [one for one in strata if one.leads and one.others]
    rate = deals / leads if leads else None
    expected = sum(one.leads * (one.deals + one.deals_of_others) / (one.leads + one.others) for one in usable)
    total = sum(one.deals + one.deals_of_others for one in usable)
    if expected < FEWEST or total - expected < FEWEST:
        return Lift(leads, deals, rate)
    from scipy.stats import norm

    with_it = without = spread = variance = 0.0
    for one in usable:
        size, all_deals = one.leads + one.others, one.deals + one.deals_of_others
        with_it += one.deals * one.others / size
        without += one.deals_of_others * one.leads / size
        spread += (one.leads * one.others * all_deals - one.deals * one.deals_of_others * size) / size**2
        if size > 1:
            variance += one.leads * one.others * all_deals * (size - all_deals) / (size**2 * (size - 1))
    found = sum(one.deals for one in usable)
    p_value = 2 * float(norm.sf(abs(found - expected) / sqrt(variance))) if variance else 1.0
    alike = sum(one.leads * one.deals_of_others / one.others for one in usable) / sum(one.leads for one in usable)
    reach = float(norm.ppf(1 - ALPHA / 2))
    if not with_it:  # no deal at all: at most 3.7 where none was seen
        return Lift(leads, deals, rate, alike, 0.0, 0.0, -log(ALPHA / 2) / expected, p_value)
    if not without:
        return Lift(leads, deals, rate, alike, inf, expected and found / (expected - log(ALPHA / 2)), inf, p_value)
    lift, error = with_it / without, sqrt(spread / (with_it * without))
    return Lift(leads, deals, rate, alike, lift, lift * exp(-reach * error), lift * exp(reach * error), p_value)


def p_of_a_lift_beyond(lift: Lift, bound: float) -> float | None:
    """How likely so low a lift would be, or a lower, were it in truth ``bound``; None where nothing can be said."""
    if lift.lift is None or lift.low is None or lift.high is None:
        return None
    from scipy.stats import norm

    if lift.lift == 0:
        return exp(-bound * -log(ALPHA / 2) / lift.high)
    if lift.high == inf:
        return 1.0
    error = (log(lift.high) - log(lift.low)) / 2 / float(norm.ppf(1 - ALPHA / 2))
    return float(norm.cdf((log(lift.lift) - log(bound)) / error)) if error else None


def trend_of_rates(weeks: Sequence[Counts], *, is_rise: bool) -> float | None:
    """The p-value of a rate that neither rises nor, with ``is_rise`` false, falls from week to week.

    The test of Cochran and Armitage, its variance as many times wider as the weeks scatter round their line, by
    Student's t: a week's mails differ from another's by more than chance.

    Args:
        weeks: The counts, oldest first.
        is_rise: Whether a rise is looked for, or a fall.

    Returns:
        The p-value; None with fewer than :data:`LEAST_PERIODS` weeks or fewer than :data:`FEWEST` of either answer.
    """
    known = [(at, hits, trials) for at, (hits, trials) in enumerate(weeks) if trials]
    hits, trials = sum(one[1] for one in known), sum(one[2] for one in known)
    if len(known) < LEAST_PERIODS or min(hits, trials - hits) < FEWEST:
        return None
    from scipy.stats import t

    rate = hits / trials
    middle = sum(at * size for at, _, size in known) / trials
    across = sum(size * (at - middle) ** 2 for at, _, size in known)
    slope = sum((at - middle) * (one - size * rate) for at, one, size in known) / across
    left = sum(
        (one - size * (rate + slope * (at - middle))) ** 2 / (size * rate * (1 - rate)) for at, one, size in known
    )
    freedom = len(known) - 2
    steep = slope / sqrt(max(1.0, left / freedom) * rate * (1 - rate) / across)
    return float(t.sf(steep if is_rise else -steep, freedom))


def p_of_more(here: Counts, elsewhere: Counts) -> float | None:
    """The p-value of a rate that is no higher here than elsewhere (Fisher's exact test)."""
    if not here[1] or not elsewhere[1]:
        return None
    from scipy.stats import hypergeom

    return float(hypergeom.sf(here[0] - 1, here[1] + elsewhere[1], here[0] + elsewhere[0], here[1]))


def p_of_none_lost(calls: int, dropped: int, deals: int) -> float:
    """How likely none of the deals is among the calls dropped, if a call dropped is worth as much as any other."""
    from scipy.stats import hypergeom

    return float(hypergeom.pmf(0, calls, deals, dropped))


def most_lost(lost: int, deals: int) -> float:
    """The largest share of deals that may be lost, seeing that so many of these were (Clopper-Pearson, at 95 %)."""
    from scipy.stats import beta

    return float(beta.ppf(1 - ALPHA, lost + 1, deals - lost)) if lost < deals else 1.0
