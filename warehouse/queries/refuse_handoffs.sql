-- One row per cause that something speaks against, with the first that does: a segment the rules name, the holdout, or
-- a score that never cooled off since it handed the lead over.
-- key: lead_id, cause_event_id
-- from: causes, refusals, segment_members, holdout, lead_aliases, handoffs, lead_score_changes
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

last_hot as (
    select
        causes.lead_id,
        causes.cause_event_id,
        causes.caused_at,
        max(handoffs.caused_at) as handed_off_for,
    from causes
    inner join warehouse.lead_aliases as aliases on causes.lead_id = aliases.lead_id
    inner join handoffs on aliases.alias_lead_id = handoffs.lead_id
    where
        causes.cause = 'hot'
        and handoffs.cause in ('hot', 'hot_again')
        and handoffs.caused_at < causes.caused_at
    group by causes.lead_id, causes.cause_event_id, causes.caused_at
),

not_cooled as (
    select
        lead_id,
        cause_event_id,
        1000001 as position,
        'not_cooled' as decision,
    from last_hot
    where
        $cools_below is not null
        and not exists (
            select 1
            from warehouse.lead_score_changes as changes
            where
                changes.lead_id = last_hot.lead_id
                and changes.changed_at > last_hot.handed_off_for
                and changes.changed_at <= last_hot.caused_at
                -- with the change that leads back into the tier the score before it counts
                and changes.score - greatest(changes.points, 0) < $cools_below
        )
),

speaking as (
    select * from in_segments
    union all
    select * from held_out
    union all
    select * from not_cooled
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
