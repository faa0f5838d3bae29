-- One row per change of a lead's purchase stage, the first one from nothing, with the event that caused it.
-- key: lead_id, changed_at
-- from: lead_starts, lead_events, rule_stages, rule_stage_entries
with entries as (
    select
        lead_events.lead_id,
        lead_events.occurred_at as changed_at,
        lead_events.event_id as cause_event_id,
        rule_stage_entries.position,
    from lead_events
    inner join rule_stage_entries
        on
            lead_events.event_type = rule_stage_entries.event_type
            and (rule_stage_entries.page_group is null or rule_stage_entries.page_group = lead_events.page_group)
            and (rule_stage_entries.asset_group is null or rule_stage_entries.asset_group = lead_events.asset_group)
    where not lead_events.is_machine and not lead_events.is_opt_out_click
    union all
    select lead_id, created_at as changed_at, null as cause_event_id, 1 as position from lead_starts
),

highest_of_instant as (
    select lead_id, changed_at, position, cause_event_id
    from entries
    qualify
        row_number() over (
            partition by lead_id, changed_at
            order by position desc, cause_event_id nulls last
        ) = 1
),

forward as (
    select *
    from highest_of_instant
    qualify
        position > coalesce(
            max(position) over (
                partition by lead_id order by changed_at rows between unbounded preceding and 1 preceding
            ),
            0
        )
)

select
    forward.lead_id,
    forward.changed_at,
    lag(rule_stages.stage) over by_time as from_stage,
    rule_stages.stage as to_stage,
    rule_stages.position,
    forward.cause_event_id,
    coalesce(lead(forward.changed_at) over by_time, timestamptz 'infinity') as left_at,
from forward
inner join rule_stages on forward.position = rule_stages.position
window by_time as (partition by forward.lead_id order by forward.changed_at)
