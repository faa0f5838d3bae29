-- One row per deal won and mail delivered to its lead before: its place, and its share of the deal by three models.
-- key: source, deal_id, send_id
-- from: deals, sends
-- Shares describe what came before a deal; they do not say that the mail brought it. Every mail that was delivered by
-- the instant of the win counts, of whatever category and however long ago, so mails before a lead's first deal stand
-- before its second as well. A deal whose mails all came later has no row. Mails of one instant follow by their ids.
with placed as (
    select
        deals.source,
        deals.deal_id,
        sends.send_id,
        sends.scenario,
        sends.step,
        sends.variant,
        sends.delivered_at,
        deals.won_at,
        deals.amount,
        row_number() over by_time as position,
        count(*) over (partition by deals.source, deals.deal_id) as mails,
    from deals
    inner join sends on deals.lead_id = sends.current_lead_id and deals.won_at >= sends.delivered_at
    where deals.status = 'won'
    window by_time as (partition by deals.source, deals.deal_id order by sends.delivered_at, sends.send_id)
)

select
    *,
    if(position = 1, 1, 0)::double as first_share,
    if(position = mails, 1, 0)::double as last_share,
    1 / mails as linear_share,
from placed
order by source, deal_id, position
