-- One row per address or lead that gets no mails of a kind (all: none at all), by what no recompute has seen yet.
-- key: email, lead_id, blocks
-- from: suppression_records, consent_records, events, mail_blocks, last_deliveries, rule_unsubscribe_groups,
--       lead_identities, sends, page, derivation, send_addresses
-- Facts that came in after the recompute, or that it saw ahead of their instant, are read as they are: a pull that
-- began before it may be committed after it, so the rows it counted tell, beside the instants that they bear. An event
-- may name the send alone; the ledger knows whom that went to, the facts perhaps not yet. What lifts a block waits for
-- the next recompute.
with stops as (
    select
        coalesce(events.email, told.email) as email,
        events.external_id,
        coalesce(events.send_id, events.event_id::varchar) as mail,
        block_reason(events.event_type, events.properties) as reason,
        coalesce(event_mail_kind(events.properties), rule_unsubscribe_groups.kind, 'marketing') as mail_kind,
        least(events.occurred_at, events.received_at) as stopped_at,
        events.received_at,
    from warehouse.events
    left join sends as told on events.send_id = told.send_id
    left join warehouse.rule_unsubscribe_groups
        on events.properties['asm_group_id'] = rule_unsubscribe_groups.group_id
    where
        events.event_type in ('mail_unsubscribe', 'mail_spam_report', 'mail_bounce', 'mail_dropped')
        and block_reason(events.event_type, events.properties) is not null
        and (
            events.rowid >= (select derivation.events from warehouse.derivation)
            or events.received_at >= $recomputed_at
            or (
                -- the recompute did not know whose it is, nor whether they have come back since
                events.email is null
                and not exists (
                    select 1
                    from warehouse.send_addresses
                    where send_addresses.send_id = events.send_id and send_addresses.email is not null
                )
            )
        )
),

soft_bounces as (
    -- those of addresses that bounced softly since, each mail once
    select email, mail, min(stopped_at) as bounced_at
    from (
        select email, mail, stopped_at from stops where reason = 'soft_bounce'
        union all
        select
            coalesce(mail_blocks.email, told.email) as email,
            coalesce(mail_blocks.send_id, mail_blocks.event_id::varchar) as mail,
            least(mail_blocks.occurred_at, mail_blocks.received_at) as stopped_at,
        from warehouse.mail_blocks
        left join sends as told on mail_blocks.send_id = told.send_id
        where mail_blocks.reason = 'soft_bounce'
    )
    where email in (select stops.email from stops where stops.reason = 'soft_bounce')
    group by email, mail
),

deliveries as (
    select email, max(delivered_at) as delivered_at
    from (
        select delivered_to as email, delivered_at from warehouse.last_deliveries
        union all
        select email, least(occurred_at, received_at) as delivered_at
        from warehouse.events
        where
            event_type = 'mail_delivered'
            and (
                rowid >= (select derivation.events from warehouse.derivation) or received_at >= $recomputed_at
            )
    )
    where email in (select soft_bounces.email from soft_bounces)
    group by email
),

in_a_row as (
    select
        soft_bounces.email,
        soft_bounces.bounced_at,
        lag(soft_bounces.bounced_at, $soft_bounces - 1) over (
            partition by soft_bounces.email order by soft_bounces.bounced_at, soft_bounces.mail
        ) as first_bounced_at,
    from soft_bounces
    left join deliveries on soft_bounces.email = deliveries.email
    where deliveries.delivered_at is null or soft_bounces.bounced_at > deliveries.delivered_at
),

fresh as (
    select email, external_id, email_hash, blocks
    from warehouse.suppression_records
    where
        rowid >= (select derivation.suppression_records from warehouse.derivation)
        or received_at >= $recomputed_at
    union all
    select email, external_id, email_hash, mail_kind as blocks
    from warehouse.consent_records
    where
        not is_granted
        and (
            rowid >= (select derivation.consent_records from warehouse.derivation) or received_at >= $recomputed_at
        )
    union all
    select email, external_id, null as email_hash, if(reason = 'opt_out', mail_kind, 'all') as blocks
    from stops
    where reason != 'soft_bounce'
    union all
    select email, null as external_id, null as email_hash, 'all' as blocks
    from in_a_row
    where
        epoch_us(bounced_at) - epoch_us(first_bounced_at) <= $soft_within_us
        and later(bounced_at, $soft_rest_us) > $as_of
),

by_kind as (
    select email, external_id, email_hash, unnest(kinds_meant(blocks)) as blocks
    from fresh
)

select email, null as lead_id, blocks from by_kind
where email is not null
union
select null as email, lead_identities.lead_id, by_kind.blocks
from by_kind
inner join warehouse.lead_identities on lead_identities.identity = 'email:' || by_kind.email
union
select null as email, lead_identities.lead_id, by_kind.blocks
from by_kind
inner join warehouse.lead_identities on lead_identities.identity = 'id:' || by_kind.external_id
union
-- of whoever was erased; where nothing of the erased is new, no address is hashed
select page.email, null as lead_id, hashed.blocks
from (select * from by_kind where email_hash is not null) as hashed
inner join page on hashed.email_hash = address_hash(page.email)
