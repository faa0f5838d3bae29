-- One row per change of a lead's tier, the first one from nothing, with the event that caused it.
-- key: lead_id, changed_at
-- from: lead_starts, lead_score_changes, rule_tiers
with scores as (
    select lead_id, created_at as changed_at, 0 as score, null as cause_event_id from lead_starts
    union all
    select lead_id, changed_at, score, cause_event_id from lead_score_changes
),

last_of_instant as (
    -- a lead whose first event scores starts with that score
    select lead_id, changed_at, score, cause_event_id
    from scores
    qualify row_number() over (partition by lead_id, changed_at order by cause_event_id nulls last) = 1
),

tiers as (
    select
        last_of_instant.lead_id,
        last_of_instant.changed_at,
        last_of_instant.score,
        last_of_instant.cause_event_id,
        arg_max(rule_tiers.tier, coalesce(rule_tiers.minimum_score, -2147483648)) as tier,
    from last_of_instant
    inner join rule_tiers on last_of_instant.score >= coalesce(rule_tiers.minimum_score, -2147483648)
    group by all
)

select
    lead_id,
    changed_at,
    lag(tier) over by_time as from_tier,
    tier as to_tier,
    score,
    cause_event_id,
from tiers
window by_time as (partition by lead_id order by changed_at)
qualify tier is distinct from lag(tier) over by_time
