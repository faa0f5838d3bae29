-- One row per cause that something speaks against, with the first that does: a segment the rules name, or the holdout.
-- key: lead_id, cause_event_id
-- from: causes, refusals, segment_members, holdout, lead_aliases
with in_segments as (
    -- now or when it happened: a deal that was opened meanwhile counts, and so does one that was closed
    select
        causes.lead_id,
        causes.cause_event_id,
        refusals.position,
        refusals.decision,
    from causes
    inner join warehouse.segment_members as members on causes.lead_id = members.lead_id
    inner join refusals on members.segment = refusals.segment
    where
        members.left_at is null
        or (members.entered_at <= causes.caused_at and causes.caused_at < members.left_at)
),

held_out as (
    select distinct
        causes.lead_id,
        causes.cause_event_id,
        1000000 as position,
        'holdout' as decision,
    from causes
    inner join warehouse.lead_aliases as aliases on causes.lead_id = aliases.lead_id
    inner join holdout on aliases.alias_lead_id = holdout.lead_id
    where $keeps_holdout_back and holdout.is_held_out
),

speaking as (
    select * from in_segments
    union all
    select * from held_out
)

select
    causes.lead_id,
    causes.cause,
    causes.cause_event_id,
    causes.caused_at,
    arg_min(speaking.decision, speaking.position) as decision,
from causes
inner join speaking on causes.lead_id = speaking.lead_id and causes.cause_event_id = speaking.cause_event_id
where causes.kind = 'handoff' and not causes.is_own_request
group by all
