-- One row per lead for which something may have changed: new facts name it, its identities changed, it won or lost
-- events, or an instant has passed at which one of its windows, caps, expiries or decays moves.
-- key: lead_id
-- from: placed_behaviours, placed_activity, fresh_lead_identities, losing_leads, lead_next_changes, renamed_leads,
--       lead_identities, send_addresses, new_lead_records, new_deal_records, deal_records, arrived_consent_records,
--       arrived_suppression_records, arrived_events
with named as (
    select email, external_id from new_lead_records
    union all
    -- whoever a deal belonged to before it was told of anew
    select email, external_id from deal_records
    where (source, deal_id) in (select (source, deal_id) from new_deal_records)
    union all
    select email, external_id from arrived_consent_records
    union all
    select email, external_id from arrived_suppression_records
    union all
    -- opt-outs hold even where their own stamp lies ahead
    select coalesce(arrived_events.email, send_addresses.email) as email, arrived_events.external_id
    from arrived_events
    left join send_addresses on arrived_events.send_id = send_addresses.send_id
    where arrived_events.event_type in ('mail_unsubscribe', 'mail_spam_report', 'mail_bounce', 'mail_resubscribe')
)

select lead_id from placed_behaviours
union
select lead_id from placed_activity
union
select lead_id from fresh_lead_identities
union
select lead_id from losing_leads
union
select coalesce(renamed_leads.lead_id, lead_next_changes.lead_id) as lead_id
from lead_next_changes
left join renamed_leads on lead_next_changes.lead_id = renamed_leads.old_lead_id
where least(lead_next_changes.award_at, lead_next_changes.answer_at) <= $as_of
union
select lead_id from lead_identities
where
    (kind = 'email' and value in (select email from named))
    or (kind = 'external_id' and value in (select external_id from named))
