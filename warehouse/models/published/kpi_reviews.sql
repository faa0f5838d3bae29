-- One row per finding of a weekly or monthly review, as it was told then.
-- key: period, period_start, finding, subject
-- from: review_findings
select
    period,
    period_start,
    finding,
    subject,
    period_end,
    position,
    metric,
    this_period,
    last_period,
    change,
    low,
    high,
    p_value,
    is_noise,
    told,
    what_to_do,
    rule_file,
    rule_edit,
    expected_effect,
    reviewed_at,
    rule_set_version,
from ledger.review_findings
order by period, period_start, position
