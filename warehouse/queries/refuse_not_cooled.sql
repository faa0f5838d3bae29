-- One row per cause that is a score which never cooled off since it last handed the lead over.
-- key: lead_id, cause_event_id
-- from: causes, lead_aliases, handoffs, lead_score_changes
with last_hot as (
    select
        causes.lead_id,
        causes.cause,
        causes.cause_event_id,
        causes.caused_at,
        max(handoffs.caused_at) as handed_off_for,
    from causes
    inner join warehouse.lead_aliases as aliases on causes.lead_id = aliases.lead_id
    inner join handoffs on aliases.alias_lead_id = handoffs.lead_id
    where
        causes.cause = 'hot'
        and causes.kind = 'handoff'
        and handoffs.cause in ('hot', 'hot_again')
        and handoffs.caused_at < causes.caused_at
    group by causes.lead_id, causes.cause, causes.cause_event_id, causes.caused_at
)

select
    lead_id,
    cause,
    cause_event_id,
    caused_at,
    'not_cooled' as decision,
from last_hot
where
    not exists (
        select 1
        from warehouse.lead_score_changes as changes
        where
            changes.lead_id = last_hot.lead_id
            and changes.changed_at > last_hot.handed_off_for
            and changes.changed_at <= last_hot.caused_at
            -- with the change that leads back into the tier the score before it counts
            and changes.score - greatest(changes.points, 0) < $cools_below
    )
