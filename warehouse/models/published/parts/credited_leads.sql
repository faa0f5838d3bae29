-- One row per lead of whose mails others may be credited with what it did than before: its mails or its acts differ.
-- key: lead_id
-- from: told_changes, mail_outcomes, old_mails
-- What it did before earliest_at is credited as before.
with moved as (
    select
        mails.current_lead_id,
        mails.delivered_at,
        old_mails.current_lead_id as old_lead_id,
        old_mails.delivered_at as old_delivered_at,
    from mail_outcomes as mails
    full join old_mails on mails.send_id = old_mails.send_id
    where
        mails.delivered_at is distinct from old_mails.delivered_at
        or mails.current_lead_id is distinct from old_mails.current_lead_id
)

select lead_id, min(earliest_at) as earliest_at
from (
    select id as lead_id, earliest_at
    from told_changes
    where table_name = 'lead_behaviours'
    union all
    select current_lead_id as lead_id, delivered_at as earliest_at
    from moved
    where delivered_at is not null
    union all
    select old_lead_id as lead_id, old_delivered_at as earliest_at
    from moved
    where old_delivered_at is not null
)
group by lead_id
