-- One row per change of a lead's tier, the first one from nothing, with what changed the score.
-- key: lead_id, changed_at
-- from: lead_starts, lead_score_changes, rule_tiers, rule_score_causes
-- Only scores that pass a tier's floor are looked at. A change that no event caused, such as an expiry, is marked by an
-- id made of rule and instant, so that what follows from it can be noted once.
with started as (
    -- a lead whose first event scores starts with that score
    select
        lead_starts.lead_id,
        lead_starts.created_at as changed_at,
        null::integer as score_before,
        coalesce(changes.score, 0) as score,
        changes.cause,
        changes.cause_event_id,
    from lead_starts
    left join lead_score_changes as changes
        on lead_starts.lead_id = changes.lead_id and lead_starts.created_at = changes.changed_at
),

passing as (
    select distinct
        changes.lead_id,
        changes.changed_at,
        changes.score - changes.points as score_before,
        changes.score,
        changes.cause,
        changes.cause_event_id,
    from lead_score_changes as changes
    inner join rule_tiers
        on (changes.score >= rule_tiers.minimum_score) != (changes.score - changes.points >= rule_tiers.minimum_score)
),

scores as (
    select * from started
    union all
    select passing.*
    from passing
    anti join lead_starts
        on passing.lead_id = lead_starts.lead_id and passing.changed_at = lead_starts.created_at
),

floors as (
    select tier, coalesce(minimum_score, -2147483648) as floor
    from rule_tiers
),

ranked as (
    select
        scores.*,
        max(floors.floor) filter (scores.score_before >= floors.floor) as floor_before,
        max(floors.floor) filter (scores.score >= floors.floor) as floor_now,
    from scores
    cross join floors
    group by all
)

select
    ranked.lead_id,
    ranked.changed_at,
    tiers_before.tier as from_tier,
    tiers_now.tier as to_tier,
    ranked.score,
    coalesce(causes.what || ':' || causes.rule, 'start') as cause,
    case
        when ranked.cause is not null
            then
                coalesce(
                    ranked.cause_event_id,
                    md5(concat_ws(chr(31), causes.rule, causes.what, epoch_us(ranked.changed_at)))::uuid
                )
    end as cause_event_id,
from ranked
left join floors as tiers_before on ranked.floor_before = tiers_before.floor
inner join floors as tiers_now on ranked.floor_now = tiers_now.floor
left join rule_score_causes as causes on ranked.cause = causes.cause
