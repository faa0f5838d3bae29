"""The statistics of reviews: known answers, and how often they are wrong where there is nothing to find."""

from __future__ import annotations

from math import inf, isclose

import numpy as np
import pytest

from warehouse.review_statistics import (
    ALPHA,
    Comparison,
    Spread,
    Stratum,
    adjusted,
    count_change,
    lift_of,
    most_lost,
    p_of_a_lift_beyond,
    p_of_more,
    p_of_none_lost,
    rate_change,
    spread_of_counts,
    spread_of_rates,
    trend_of_rates,
)

ROUNDS = 2_000


def test_p_values_are_adjusted_as_benjamini_and_hochberg_do() -> None:
    # their own example, 1995: fifteen p-values, of which four stand at 5 %
    given = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]  # fmt: skip
    shuffled = [given[at] for at in (14, 3, 0, 9, 2, 1, 4, 5, 6, 7, 8, 10, 11, 12, 13)]
    result = adjusted([*shuffled, None])
    assert result[-1] is None
    assert sum(value <= 0.05 for value in result if value is not None) == 4
    assert result[1] == pytest.approx(0.0095 * 15 / 4)
    from statsmodels.stats.multitest import multipletests

    assert result[:-1] == pytest.approx(list(multipletests(shuffled, method="fdr_bh")[1]))


def test_a_change_of_a_rate_has_newcombes_interval_and_the_pooled_test() -> None:
    # Newcombe 1998, table II, example (a): 56/70 and 48/80, by method 10 0.0524 to 0.3339
    found = rate_change((56, 70), (48, 80))
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
    assert found.p_value == pytest.approx(0.0083, abs=5e-4)


def test_what_has_no_divisor_or_never_happened_is_compared_with_nothing() -> None:
    assert rate_change((0, 0), (1, 10)) == Comparison()
    assert count_change((0, 7), (0, 7)) == Comparison()
    assert rate_change((0, 50), (0, 60)).p_value == 1.0


def test_small_counts_are_compared_exactly() -> None:
    assert rate_change((3, 100), (0, 100)).p_value == pytest.approx(0.2462, abs=1e-3)
    assert count_change((10, 7), (2, 7)).p_value == pytest.approx(0.0386, abs=1e-3)


def test_months_of_different_lengths_are_compared_by_the_day() -> None:
    found = count_change((280, 28), (310, 31))
    assert found.change == pytest.approx(0)
    assert found.p_value == pytest.approx(1.0, abs=0.05)


def test_a_figure_that_always_moves_much_has_to_move_more() -> None:
    calm = [(100, 1000), (98, 1000), (103, 1000), (101, 1000), (99, 1000)]
    wild = [(60, 1000), (140, 1000), (70, 1000), (150, 1000), (90, 1000)]
    assert spread_of_rates(calm) == Spread(1.0, 4)
    assert spread_of_rates(wild).times > 10
    assert spread_of_rates(calm[:3]) == Spread()
    sure, unsure = (rate_change((140, 1000), (100, 1000), spread_of_rates(one)) for one in (calm, wild))
    assert sure.p_value is not None
    assert unsure.p_value is not None
    assert sure.p_value < 0.01 < 0.3 < unsure.p_value
    assert unsure.low is not None
    assert sure.low is not None
    assert unsure.low < 0 < sure.low
    assert spread_of_counts([(5, 7), (50, 7), (10, 7), (40, 7)]).times > 10


def test_a_lift_is_that_of_mantel_and_haenszel() -> None:
    # Rothman, Greenland and Lash, Modern Epidemiology, table 15-1: two strata of age, risk ratio 1.33 (0.80 to 2.2)
    strata = [Stratum(106, 8, 120, 5), Stratum(98, 22, 85, 16)]
    found = lift_of(strata)
    assert found.lift == pytest.approx(1.33, abs=0.005)
    assert (found.low, found.high) == (pytest.approx(0.80, abs=0.005), pytest.approx(2.2, abs=0.05))
    assert found.rate == pytest.approx(30 / 204)


def test_strata_keep_what_makes_both_likely_from_looking_like_a_lift() -> None:
    """Active leads get the points more often and buy more often; the points themselves say nothing."""
    strata = [Stratum(900, 180, 100, 20), Stratum(100, 2, 900, 18)]
    assert lift_of(strata).lift == pytest.approx(1.0)
    crude = lift_of([Stratum(1000, 182, 1000, 38)])
    assert crude.lift == pytest.approx(4.8, abs=0.1)


def test_few_deals_say_nothing() -> None:
    found = lift_of([Stratum(10, 3, 1000, 4)])
    assert (found.leads, found.deals, found.lift, found.p_value) == (10, 3, None, None)
    assert p_of_a_lift_beyond(found, 2) is None


def test_no_deal_at_all_on_one_side_still_has_a_bound() -> None:
    none = lift_of([Stratum(500, 0, 500, 20)])
    assert (none.lift, none.low) == (0.0, 0.0)
    assert none.high is not None
    assert 0.2 < none.high < 0.6
    assert p_of_a_lift_beyond(none, 2) < 0.001
    all_of_them = lift_of([Stratum(500, 20, 500, 0)])
    assert all_of_them.lift == all_of_them.high == inf
    assert p_of_a_lift_beyond(all_of_them, 2) == 1.0


def test_a_falling_rate_falls_and_a_steady_one_does_not() -> None:
    falling = [(300 - 20 * week, 1000) for week in range(8)]
    assert trend_of_rates(falling, is_rise=False) < 0.001
    assert trend_of_rates(falling, is_rise=True) > 0.999
    assert trend_of_rates([(300, 1000)] * 8, is_rise=False) == pytest.approx(0.5)
    assert trend_of_rates(falling[:3], is_rise=False) is None
    assert trend_of_rates([(1, 1000)] * 4, is_rise=True) is None


def test_weeks_that_scatter_are_no_trend() -> None:
    scattered = [(400, 1000), (150, 1000), (390, 1000), (160, 1000), (350, 1000), (120, 1000), (330, 1000), (140, 1000)]
    assert trend_of_rates(scattered, is_rise=False) > 0.1


def test_more_here_than_elsewhere_is_fishers_test() -> None:
    from scipy.stats import fisher_exact

    assert p_of_more((8, 40), (5, 200)) == pytest.approx(
        fisher_exact([[8, 32], [5, 195]], alternative="greater").pvalue
    )
    assert p_of_more((0, 0), (5, 200)) is None


def test_what_may_be_lost_is_bounded() -> None:
    assert most_lost(0, 29) < 0.10 < most_lost(0, 28)
    assert most_lost(3, 3) == 1.0
    assert p_of_none_lost(100, 50, 10) == pytest.approx(0.000594, abs=1e-5)
    assert p_of_none_lost(100, 0, 10) == pytest.approx(1.0)


def wrongly(found: int, rounds: int = ROUNDS) -> float:
    """The share, less what chance adds to it in so many rounds."""
    return found / rounds - 2.6 * (ALPHA * (1 - ALPHA) / rounds) ** 0.5


def test_where_nothing_changed_a_change_is_seldom_told() -> None:
    chance = np.random.default_rng(1)
    series = chance.binomial(400, 0.22, (ROUNDS, 9))
    found = sum(
        rate_change((now, 400), (before, 400), spread_of_rates([(one, 400) for one in rest])).p_value <= ALPHA
        for now, before, *rest in series.tolist()
    )
    assert wrongly(found) <= ALPHA
    counts = chance.poisson(12, (ROUNDS, 9))
    found = sum(
        count_change((now, 7), (before, 7), spread_of_counts([(before, 7), *((one, 7) for one in rest)])).p_value
        <= ALPHA
        for now, before, *rest in counts.tolist()
    )
    assert wrongly(found) <= ALPHA


def test_where_weeks_differ_by_themselves_a_change_is_seldom_told() -> None:
    """A newsletter is opened more than a step mail: rates of weeks differ, and the plain test would cry each week."""
    chance = np.random.default_rng(2)
    rates = chance.beta(22, 78, (ROUNDS, 9))
    series = chance.binomial(2000, rates)
    plain = with_spread = 0
    for now, before, *rest in series.tolist():
        counts = [(one, 2000) for one in (before, *rest)]
        plain += rate_change((now, 2000), (before, 2000)).p_value <= ALPHA
        with_spread += rate_change((now, 2000), (before, 2000), spread_of_rates(counts)).p_value <= ALPHA
    assert plain / ROUNDS > 0.5
    assert wrongly(with_spread) <= ALPHA


def test_points_worth_having_are_seldom_called_worth_nothing() -> None:
    """A rule whose holders buy twice as often: in how many reviews is that said to be out of the question?"""
    chance = np.random.default_rng(3)
    deals, of_others = chance.binomial(300, 0.10, ROUNDS), chance.binomial(700, 0.05, ROUNDS)
    lifts = [lift_of([Stratum(300, int(one), 700, int(other))]) for one, other in zip(deals, of_others, strict=True)]
    beyond = [p_of_a_lift_beyond(lift, 2.0) for lift in lifts]
    assert wrongly(sum(value is not None and value <= ALPHA for value in beyond)) <= ALPHA
    assert isclose(np.mean([one.low <= 2.0 <= one.high for one in lifts if one.low is not None]), 0.95, abs_tol=0.02)
