-- One row per instant at which something moves a lead in scope towards a stage: forward to it, or back to it.
-- key: lead_id, instant, is_back, position, cause
-- from: lead_behaviours, rule_stage_entries, rule_fall_backs, condition_spans, lead_starts
-- The same move between two moves back is made once, by the first that asks for it.
with backs as (
    select
        behaviours.lead_id,
        behaviours.occurred_at as instant,
        falls.position,
        falls.leaving,
        falls.fall_back as cause,
        behaviours.event_id as cause_event_id,
    from lead_behaviours as behaviours
    inner join rule_fall_backs as falls on behaviours.behaviour = falls.behaviour
    inner join lead_starts on behaviours.lead_id = lead_starts.lead_id
    where
        not behaviours.is_machine and not behaviours.is_opt_out_click
        and behaviours.occurred_at > lead_starts.created_at
    union all
    select
        spans.lead_id,
        spans.from_at as instant,
        falls.position,
        falls.leaving,
        falls.fall_back as cause,
        null as cause_event_id,
    from condition_spans as spans
    inner join rule_fall_backs as falls on spans.condition = falls.condition
    inner join lead_starts on spans.lead_id = lead_starts.lead_id
    where spans.from_at > lead_starts.created_at
),

entries as (
    select
        behaviours.lead_id,
        behaviours.occurred_at as instant,
        entries.position,
        entries.cause,
        behaviours.event_id as cause_event_id,
    from lead_behaviours as behaviours
    inner join rule_stage_entries as entries on behaviours.behaviour = entries.behaviour
    where not behaviours.is_machine and not behaviours.is_opt_out_click
    union all
    select
        spans.lead_id,
        spans.from_at as instant,
        entries.position,
        entries.cause,
        null as cause_event_id,
    from condition_spans as spans
    inner join rule_stage_entries as entries on spans.condition = entries.condition
    union all
    select lead_id, created_at as instant, 1 as position, 'start' as cause, null as cause_event_id
    from lead_starts
),

numbered_entries as (
    select
        entries.*,
        coalesce(counted.number, 0) as round,
    from entries
    asof left join (
        select
            lead_id,
            instant,
            max(number) as number,
        from (
            select lead_id, instant, row_number() over (partition by lead_id order by instant) as number
            from backs
        )
        group by lead_id, instant
    ) as counted
        on entries.lead_id = counted.lead_id and entries.instant >= counted.instant
)

select
    lead_id,
    instant,
    false as is_back,
    position,
    null::integer[] as leaving,
    cause,
    cause_event_id,
from numbered_entries
qualify row_number() over (partition by lead_id, round, position order by instant, cause_event_id, cause) = 1
union all
select lead_id, instant, true as is_back, position, leaving, cause, cause_event_id
from backs
