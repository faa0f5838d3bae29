-- Moves sends to what their provider has told of them since. Evidence also ends the state unknown, and holds back a
-- send that was about to be tried again.
update sends
set
    state = told.state,
    state_reason = null,
    sent_at = coalesce(sent_at, told.processed_at),
    state_changed_at = told.changed_at
from (
    select
        send_id,
        case
            when bounced_at is not null then 'bounced'
            when dropped_at is not null and delivered_at is null then 'dropped'
            when delivered_at is not null then 'delivered'
            else 'accepted'
        end as state,
        coalesce(
            bounced_at,
            case when delivered_at is null then dropped_at end,
            delivered_at,
            processed_at
        ) as changed_at,
        coalesce(processed_at, delivered_at, bounced_at, dropped_at) as processed_at,
    from warehouse.send_outcomes
    where coalesce(bounced_at, dropped_at, delivered_at, processed_at) is not null
) as told
where
    sends.send_id = told.send_id
    and sends.state in ('planned', 'claimed', 'sending', 'unknown', 'accepted', 'delivered')
    and sends.state != told.state
    -- a late "processed" does not undo a delivery
    and not (sends.state in ('delivered') and told.state = 'accepted')
