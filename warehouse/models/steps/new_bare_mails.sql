-- One row per event of a mail that names no send, by facts new to this run: what else tells which mail it was.
-- key: event_id
-- from: new_events
-- SendGrid leaves our send's id out of some bounces and spam reports. What it calls the message is in all of them.
select
    event_id,
    event_type,
    occurred_at,
    email,
    properties['smtp-id'] as smtp_id,
    split_part(properties['sg_message_id'], '.', 1) as message_id,
from new_events
where
    send_id is null
    and email is not null
    and event_type in (
        'mail_processed', 'mail_delivered', 'mail_deferred', 'mail_bounce', 'mail_dropped', 'mail_spam_report',
        'mail_unsubscribe'
    )
    and (properties['smtp-id'] is not null or properties['sg_message_id'] is not null)
