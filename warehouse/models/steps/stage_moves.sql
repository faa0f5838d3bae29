-- One row per instant at which something moves a lead in scope towards a stage: forward to it, or back to it.
-- key: lead_id, instant, is_back, position, cause, cause_event_id
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
        behaviours.event_id as cause_event_id,
        entries.entry,
    from lead_behaviours as behaviours
    inner join rule_stage_entries as entries on behaviours.behaviour = entries.behaviour
    where not behaviours.is_machine and not behaviours.is_opt_out_click
    union all
    select spans.lead_id, spans.from_at as instant, null as cause_event_id, entries.entry
    from condition_spans as spans
    inner join rule_stage_entries as entries on spans.condition = entries.condition
),

rounds as (
    select lead_id, instant, count(*) over (partition by lead_id order by instant) as round
    from backs
    qualify row_number() over (partition by lead_id, instant) = 1
),

numbered_entries as (
    -- leads that never move back have one round, and need not look for it
    select entries.*, 0 as round
    from entries
    anti join rounds using (lead_id)
    union all
    select entries.*, coalesce(rounds.round, 0) as round
    from (from entries semi join rounds using (lead_id)) as entries
    asof left join rounds on entries.lead_id = rounds.lead_id and entries.instant >= rounds.instant
),

firsts as (
    select lead_id, instant, entry, cause_event_id
    from numbered_entries
    qualify row_number() over (partition by lead_id, round, entry order by instant, cause_event_id) = 1
)

select
    firsts.lead_id,
    firsts.instant,
    false as is_back,
    entries.position,
    null::integer[] as leaving,
    entries.cause,
    firsts.cause_event_id,
from firsts
inner join rule_stage_entries as entries on firsts.entry = entries.entry
union all
select lead_id, created_at as instant, false as is_back, 1 as position, null as leaving, 'start' as cause, null
from lead_starts
union all
select lead_id, instant, true as is_back, position, leaving, cause, cause_event_id
from backs
