-- One row per thing that sales did with a handoff of ours and that is not noted yet.
-- key: change_id
-- from: events, handoffs, handoff_changes
select
    events.event_id::varchar as change_id,
    handoffs.handoff_id,
    -- nobody did anything later than now, whatever a clock elsewhere says
    least(events.occurred_at, $as_of) as changed_at,
    $as_of as noted_at,
    coalesce(events.properties['source'], 'sfa') as source,
    events.properties['status'] as status,
    events.properties['owner'] as owner,
    case
        when events.properties['first_contact_at'] is not null
            then least(events.properties['first_contact_at']::timestamptz, $as_of)
    end as first_contact_at,
    events.properties['outcome'] as outcome,
    events.properties['reject_reason'] as reject_reason,
from warehouse.events as events
inner join handoffs on events.properties['handoff_id'] = handoffs.handoff_id
where
    events.event_type = 'sales_follow_up'
    -- nothing is stored later as received before
    and events.received_at >= $since
    and events.received_at <= $as_of
    and events.event_id::varchar not in (select change_id from handoff_changes)
