-- One row per event that names no send, with the send that another event of its mail names; of those that can be named
-- now: the event or the other is new to this run.
-- key: event_id
-- from: bare_mails, new_bare_mails, new_events, visible_events
-- Many mails ride in one request and share what it is called, so the address has to be the same as well.
with asked as (
    select *
    from bare_mails
    where
        event_id in (select event_id from new_bare_mails)
        or email in (select email from new_events where send_id is not null and email is not null)
),

told as (
    select distinct
        email,
        send_id,
        properties['smtp-id'] as smtp_id,
        split_part(properties['sg_message_id'], '.', 1) as message_id,
    from visible_events
    where
        email in (select asked.email from asked)
        and send_id is not null
        and starts_with(event_type, 'mail_')
)

select
    asked.event_id,
    asked.event_type,
    asked.occurred_at,
    min(told.send_id) as send_id,
from asked
inner join told
    on
        asked.email = told.email
        and (asked.smtp_id = told.smtp_id or asked.message_id = told.message_id)
group by asked.event_id, asked.event_type, asked.occurred_at
