-- One row per award of points for a behaviour of a lead in scope, with the points that count at first.
-- key: lead_id, rule, event_id
-- from: rule_capped_awards, rule_scoring, rule_scoring_groups
-- Groups of rules share a cap, which is walked as a rule's own is, over what the rules' own caps have left.
with grouped as (
    select
        awards.*,
        rule_scoring.position,
        rule_scoring_groups.scoring_group,
        rule_scoring_groups.cap_times,
        rule_scoring_groups.cap_points,
        rule_scoring_groups.cap_window_us,
        coalesce(
            epoch_us(awards.occurred_at) - lag(epoch_us(awards.occurred_at)) over by_time
            >= rule_scoring_groups.cap_window_us,
            true
        ) as is_chain_start,
    from rule_capped_awards as awards
    inner join rule_scoring on awards.rule = rule_scoring.rule
    inner join rule_scoring_groups on rule_scoring.scoring_group = rule_scoring_groups.scoring_group
    window by_time as (
        partition by awards.lead_id, rule_scoring_groups.scoring_group
        order by awards.occurred_at, awards.event_id, rule_scoring.position
    )
),

chains as (
    select
        *,
        count(*) filter (where is_chain_start) over (
            partition by lead_id, scoring_group order by occurred_at, event_id, position
        ) as chain,
    from grouped
),

walked as (
    select
        lead_id,
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
                    order by occurred_at, event_id, position
                ),
                any_value(cap_times), any_value(cap_points), any_value(cap_window_us)
            )
        ) as award,
    from chains
    group by lead_id, scoring_group, chain
)

select awards.lead_id, awards.rule, awards.event_id, awards.occurred_at, awards.points, awards.send_id
from rule_capped_awards as awards
inner join rule_scoring on awards.rule = rule_scoring.rule
where rule_scoring.scoring_group is null
union all
select lead_id, award.rule, award.event_id, award.occurred_at, award.points, award.send_id
from walked
