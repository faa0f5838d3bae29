-- One row per award of a lead in scope that its rule's own cap lets count, with the points that count.
-- key: lead_id, rule, event_id
-- from: award_candidates, rule_scoring
-- Awards of a rule are walked in order, each measured from those that counted within the window before it. Where a
-- whole window lies between two, nothing before matters; and where all of a chain fit, none has to be walked.
with capped as (
    select
        award_candidates.*,
        rule_scoring.cap_times,
        rule_scoring.cap_points,
        rule_scoring.cap_window_us,
        coalesce(
            epoch_us(award_candidates.occurred_at) - lag(epoch_us(award_candidates.occurred_at)) over by_time
            >= rule_scoring.cap_window_us,
            true
        ) as is_chain_start,
    from award_candidates
    inner join rule_scoring on award_candidates.rule = rule_scoring.rule
    where rule_scoring.cap_window_us is not null
    window by_time as (
        partition by award_candidates.lead_id, award_candidates.rule
        order by award_candidates.occurred_at, award_candidates.event_id
    )
),

chains as (
    select
        *,
        count(*) filter (where is_chain_start) over (
            partition by lead_id, rule order by occurred_at, event_id
        ) as chain,
    from capped
),

walked as (
    select
        lead_id,
        rule,
        unnest(
            walk_capped(
                list(
                    {
                        'event_id': event_id,
                        'occurred_at': occurred_at,
                        'send_id': send_id,
                        'points': points,
                        'rule': rule
                    }
                    order by occurred_at, event_id
                ),
                any_value(cap_times), any_value(cap_points), any_value(cap_window_us)
            )
        ) as award,
    from chains
    group by lead_id, rule, chain
)

select
    award_candidates.lead_id,
    award_candidates.rule,
    award_candidates.event_id,
    award_candidates.occurred_at,
    award_candidates.points,
    award_candidates.send_id,
from award_candidates
inner join rule_scoring on award_candidates.rule = rule_scoring.rule
where rule_scoring.cap_window_us is null
union all
select lead_id, rule, award.event_id, award.occurred_at, award.points, award.send_id
from walked
