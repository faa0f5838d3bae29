"""The figures of A/B tests against computations of another kind, and what they promise against simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from warehouse.ab_statistics import (
    ALPHA,
    POWER,
    anytime_effect,
    detectable_effect,
    effect_of,
    mails_needed,
    sample_needed,
    sample_ratio_p_value,
)

COUNTS = [(60, 1000, 45, 1000), (130, 512, 101, 498), (7, 40, 6, 300), (2500, 9800, 2431, 9901), (12, 3000, 30, 2900)]
TESTS = 10_000


def near(value: float) -> object:
    return pytest.approx(value, abs=1e-9, rel=1e-9)


def wilson(reached: int, mails: int, z: float) -> tuple[float, float]:
    """The rates below and above from which the one seen lies z standard errors away, by bisection."""
    rate = reached / mails

    def end(far: float) -> float:
        near_by = rate
        for _ in range(200):
            middle = (near_by + far) / 2
            if (rate - middle) ** 2 > z**2 * middle * (1 - middle) / mails:
                far = middle
            else:
                near_by = middle
        return near_by

    return end(0.0), end(1.0)


def quantile(alpha: float) -> float:
    """The two-sided quantile of the normal distribution, by bisection of the error function."""
    low, high = 0.0, 10.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erfc(middle / math.sqrt(2)) > alpha else (low, middle)
    return low


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("comparisons", [1, 3])
def test_one_look_at_the_end(counts: tuple[int, int, int, int], comparisons: int) -> None:
    reached, mails, first_reached, first_mails = counts
    found = effect_of(*counts, comparisons, 0.02)
    rate, first = reached / mails, first_reached / first_mails
    pooled = (reached + first_reached) / (mails + first_mails)
    z = (rate - first) / math.sqrt(pooled * (1 - pooled) * (1 / mails + 1 / first_mails))
    assert found.p_value == near(min(1.0, math.erfc(abs(z) / math.sqrt(2)) * comparisons))
    level = quantile(ALPHA / comparisons)
    (low, high), (first_low, first_high) = wilson(reached, mails, level), wilson(first_reached, first_mails, level)
    assert found.effect == near(rate - first)
    assert found.low == near(rate - first - math.hypot(rate - low, first_high - first))
    assert found.high == near(rate - first + math.hypot(high - rate, first - first_low))


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("smallest", [0.01, 0.05])
def test_many_looks(counts: tuple[int, int, int, int], smallest: float) -> None:
    """The mixture of likelihood ratios is integrated numerically here, by Simpson's rule."""
    reached, mails, first_reached, first_mails = counts
    rate, first = reached / mails, first_reached / first_mails
    variance = rate * (1 - rate) / mails + first * (1 - first) / first_mails

    def ratio(supposed: float) -> float:
        seen = rate - first - supposed
        spread = 1 / math.sqrt(1 / variance + 1 / smallest**2)
        peak = seen * smallest**2 / (variance + smallest**2)
        effects = np.linspace(peak - 12 * spread, peak + 12 * spread, 20_001)
        told = seen * effects / variance - effects**2 / (2 * variance) - effects**2 / (2 * smallest**2)
        weights = np.ones(effects.size)
        weights[1:-1:2], weights[2:-1:2] = 4, 2
        whole = float(np.sum(weights * np.exp(told)) * (effects[1] - effects[0]) / 3)
        return whole / (smallest * math.sqrt(2 * math.pi))

    low, high, p_value = anytime_effect(*counts, ALPHA, smallest)
    assert low is not None and high is not None
    assert p_value == near(min(1.0, 1 / ratio(0.0)))
    assert ALPHA * ratio(low) == near(1.0)
    assert ALPHA * ratio(high) == near(1.0)


def test_where_too_little_is_known_nothing_is_said() -> None:
    assert effect_of(0, 0, 3, 10, 1, 0.05).effect is None
    nothing = effect_of(0, 10, 0, 10, 1, 0.05)
    assert (nothing.effect, nothing.p_value, nothing.anytime_p_value) == (0.0, 1.0, None)
    assert nothing.low is not None and nothing.low < 0
    assert detectable_effect(0.0, 100, 100, 1) is None
    assert mails_needed(0.98, 0.05, 1) is None
    assert sample_ratio_p_value([0, 0], [0.5, 0.5]) is None


@pytest.mark.parametrize(
    "assigned, shares", [([480, 520], [0.5, 0.5]), ([300, 360, 340], [1 / 3] * 3), ([52, 148], [0.2, 0.8])]
)
def test_shares_that_did_not_hold(assigned: list[int], shares: list[float]) -> None:
    total = sum(assigned)
    distance = sum((seen - share * total) ** 2 / (share * total) for seen, share in zip(assigned, shares, strict=True))
    p_value = math.erfc(math.sqrt(distance / 2)) if len(assigned) == 2 else math.exp(-distance / 2)
    assert sample_ratio_p_value(assigned, shares) == near(p_value)


@pytest.mark.parametrize("rate, mails_a_day, days, smallest", [(0.25, 40, 30, 0.05), (0.05, 300, 30, 0.02)])
def test_who_looks_every_day_finds_a_difference_that_is_none_no_more_often_than_promised(
    rate: float, mails_a_day: int, days: int, smallest: float
) -> None:
    chance = np.random.default_rng(7)
    figures = chance.binomial(mails_a_day, rate, (2, TESTS, days)).cumsum(axis=2).tolist()
    found = 0
    for one, other in zip(*figures, strict=True):
        for day, (reached, first_reached) in enumerate(zip(one, other, strict=True), start=1):
            mails = mails_a_day * day
            p_value = anytime_effect(reached, mails, first_reached, mails, ALPHA, smallest)[2]
            if p_value is not None and p_value <= ALPHA:
                found += 1
                break
    assert 0 < found / TESTS <= ALPHA


def test_who_looks_every_day_at_the_p_value_of_the_end_is_fooled() -> None:
    """What the sequential method is for: the same simulation with the other p-value."""
    chance = np.random.default_rng(7)
    one, other = chance.binomial(40, 0.25, (2, TESTS, 30)).cumsum(axis=2)
    mails = 40 * np.arange(1, 31)
    pooled = (one + other) / (2 * mails)
    distance = np.abs(one - other) / mails / np.sqrt(pooled * (1 - pooled) * 2 / mails)
    assert (distance > quantile(ALPHA)).any(axis=1).mean() > 3 * ALPHA


@pytest.mark.parametrize("rate, smallest, comparisons", [(0.25, 0.05, 1), (0.05, 0.02, 1), (0.05, 0.02, 2)])
def test_a_test_as_large_as_planned_finds_what_it_was_planned_for(
    rate: float, smallest: float, comparisons: int
) -> None:
    mails = mails_needed(rate, smallest, comparisons)
    assert mails is not None
    chance = np.random.default_rng(11)
    one, other = chance.binomial(mails, rate + smallest, TESTS) / mails, chance.binomial(mails, rate, TESTS) / mails
    pooled = (one + other) / 2
    distance = (one - other) / np.sqrt(pooled * (1 - pooled) * 2 / mails)
    assert (distance > quantile(ALPHA / comparisons)).mean() == pytest.approx(POWER, abs=0.015)
    seen = detectable_effect(rate, mails, mails, comparisons)
    assert seen == pytest.approx(smallest, abs=smallest / 100)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.8, 0.2), (0.1, 0.9), (0.5, 0.3, 0.2)])
def test_a_sample_of_any_shares_finds_what_it_was_planned_for(shares: tuple[float, ...]) -> None:
    """Of arms of other sizes than one another the rates count in their own sizes."""
    rate, smallest, comparisons = 0.051, 0.03, len(shares) - 1
    sample = sample_needed(rate, smallest, shares)
    assert sample is not None
    mails, first_mails = round(sample * min(shares[1:])), round(sample * shares[0])
    chance = np.random.default_rng(13)
    one, other = chance.binomial(mails, rate + smallest, TESTS), chance.binomial(first_mails, rate, TESTS)
    pooled = (one + other) / (mails + first_mails)
    distance = (one / mails - other / first_mails) / np.sqrt(pooled * (1 - pooled) * (1 / mails + 1 / first_mails))
    assert (distance > quantile(ALPHA / comparisons)).mean() == pytest.approx(POWER, abs=0.02)
    seen = detectable_effect(rate, mails, first_mails, comparisons)
    assert seen == pytest.approx(smallest, rel=0.02)


def test_a_sample_of_equal_shares_is_that_of_each_variant_times_their_number() -> None:
    each, all_three = mails_needed(0.25, 0.05, 2), sample_needed(0.25, 0.05, (1 / 3, 1 / 3, 1 / 3))
    assert each is not None and all_three is not None
    assert all_three == pytest.approx(3 * each, abs=3)
    assert sample_needed(0.98, 0.05, (0.5, 0.5)) is None
