-- One row per lead whose deals won are given to mails anew: its deals or the mails before them differ.
-- key: lead_id
-- from: buying_leads, old_mails, new_mails, deals
-- Of those who bought all mails are looked at; of the others there are few.
with moved as (
    select
        new_mails.current_lead_id,
        new_mails.delivered_at,
        old_mails.current_lead_id as old_lead_id,
        old_mails.delivered_at as old_delivered_at,
    from new_mails
    full join old_mails on new_mails.send_id = old_mails.send_id
    where
        new_mails.delivered_at is distinct from old_mails.delivered_at
        or new_mails.current_lead_id is distinct from old_mails.current_lead_id
),

delivered as (
    select current_lead_id as lead_id, delivered_at
    from moved
    union all
    select old_lead_id as lead_id, old_delivered_at as delivered_at
    from moved
)

select lead_id
from buying_leads
union
select delivered.lead_id
from delivered
inner join deals on delivered.lead_id = deals.lead_id and delivered.delivered_at <= deals.won_at
