-- One row per event new to this run that may stop mails to a person, or let them go again.
-- key: event_id
-- from: arrived_events
-- SendGrid calls a refusal that may pass "blocked"; the address is not dead.
select event_id, event_type, email, external_id, send_id, occurred_at, received_at
from arrived_events
where
    event_type in ('mail_unsubscribe', 'mail_spam_report', 'mail_resubscribe')
    or (event_type = 'mail_bounce' and coalesce(properties['type'], 'bounce') != 'blocked')
