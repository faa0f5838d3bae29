-- One row per lead of whom facts other than behaviour may say something new: its identities, fields, deals, consents or
-- blocks.
-- key: lead_id
-- from: renewed_people, lead_identities, send_addresses, new_lead_records, new_deal_records, deal_records,
--       arrived_consent_records, new_consent_records, arrived_suppression_records, arrived_events, new_events,
--       changed_sends, mail_blocks, last_deliveries
with softly_bounced as (
    select coalesce(mail_blocks.email, send_addresses.email) as email
    from mail_blocks
    left join send_addresses on mail_blocks.send_id = send_addresses.send_id
    where mail_blocks.reason = 'soft_bounce' and coalesce(mail_blocks.email, send_addresses.email) is not null
),

named as (
    select email, external_id from new_lead_records
    union all
    -- whoever a deal belonged to before it was told of anew
    select email, external_id from deal_records
    where (source, deal_id) in (select (source, deal_id) from new_deal_records)
    union all
    -- a withdrawal holds as soon as it is known of, a grant from its own stamp on
    select email, external_id from arrived_consent_records
    union all
    select email, external_id from new_consent_records
    union all
    select email, external_id from arrived_suppression_records
    union all
    -- opt-outs hold even where their own stamp lies ahead
    select coalesce(arrived_events.email, send_addresses.email) as email, arrived_events.external_id
    from arrived_events
    left join send_addresses on arrived_events.send_id = send_addresses.send_id
    where arrived_events.event_type in ('mail_unsubscribe', 'mail_spam_report', 'mail_bounce', 'mail_dropped')
    union all
    -- a delivery ends a row of soft bounces
    select coalesce(arrived_events.email, send_addresses.email) as email, null as external_id
    from arrived_events
    left join send_addresses on arrived_events.send_id = send_addresses.send_id
    where
        arrived_events.event_type = 'mail_delivered'
        and coalesce(arrived_events.email, send_addresses.email) in (select email from softly_bounced)
    union all
    select coalesce(new_events.email, send_addresses.email) as email, null as external_id
    from new_events
    left join send_addresses on new_events.send_id = send_addresses.send_id
    where new_events.event_type = 'mail_resubscribe'
    union all
    -- whom an opt-out that names a send alone was told of by, and who it is thought to be of now
    select unnest([email, old_email]) as email, null as external_id
    from changed_sends
    where
        send_id in (select send_id from mail_blocks)
        or 'send:' || send_id in (
            select delivered_to from last_deliveries where starts_with(delivered_to, 'send:')
        )
)

select lead_id from renewed_people
union
select lead_id from lead_identities
where
    (kind = 'email' and value in (select email from named))
    or (kind = 'external_id' and value in (select external_id from named))
union
-- whose address is that of somebody erased; where nothing of the erased is new, no address is hashed
select lead_id from lead_identities
where
    kind = 'email'
    and address_hash(value) in (
        select email_hash from arrived_suppression_records where email_hash is not null
        union all
        select email_hash from arrived_consent_records where email_hash is not null
    )
