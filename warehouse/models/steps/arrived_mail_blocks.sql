-- One row per event new to this run that may stop mails to a person, or let them go again.
-- key: event_id
-- from: arrived_events
-- Of subscribing again to a kind of mail nobody knows, nothing is lifted.
select
    event_id,
    event_type,
    block_reason(event_type, properties) as reason,
    event_mail_kind(properties) as mail_kind,
    properties['asm_group_id'] as group_id,
    email,
    external_id,
    send_id,
    occurred_at,
    received_at,
from arrived_events
where
    event_type in ('mail_unsubscribe', 'mail_spam_report', 'mail_bounce', 'mail_dropped', 'mail_resubscribe')
    and case
        when event_type = 'mail_resubscribe'
            then coalesce(
                lower(trim(properties['mail_kind'])) in ('newsletter', 'step', 'trigger', 'marketing'), true
            )
        else block_reason(event_type, properties) is not null
    end
