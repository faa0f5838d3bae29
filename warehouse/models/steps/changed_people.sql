-- One row per lead of whom facts other than behaviour may say something new: its identities, fields, deals, consents or
-- blocks.
-- key: lead_id
-- from: fresh_lead_identities, lead_identities, send_addresses, new_lead_records, new_deal_records, deal_records,
--       arrived_consent_records, arrived_suppression_records, arrived_events
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

select lead_id from fresh_lead_identities
union
select lead_id from lead_identities
where
    (kind = 'email' and value in (select email from named))
    or (kind = 'external_id' and value in (select external_id from named))
