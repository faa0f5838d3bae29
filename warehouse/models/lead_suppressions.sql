-- One row per reason not to mail a lead: an opt-out blocks a kind of marketing mail, a dead or complaining address all.
-- key: lead_id, blocks, reason
-- from: suppression_records, mail_blocks, consent_records, scope_identities, send_addresses, last_deliveries,
--       rule_unsubscribe_groups
-- A reason that any identity of a lead bears holds for the whole lead. It holds from when we learnt of it, even where
-- its own stamp lies ahead: clocks and time zones err, and whoever opted out has. Only the person lifts a block of
-- marketing, by subscribing again; no import and no sync does. What a group of SendGrid's means that the rules do not
-- name, nobody here knows: leaving it stops all marketing, and joining it again lifts what leaving it stopped. An
-- address that only bounces softly, mail after mail, rests for a while, or until mail is delivered to it again; the row
-- tells until when, also when that is over.
with told as (
    select email, external_id, email_hash, blocks, reason, null as unnamed_group, occurred_at, received_at
    from suppression_records
    where received_at <= $as_of
    union all
    select
        email,
        external_id,
        email_hash,
        mail_kind as blocks,
        'opt_out' as reason,
        null as unnamed_group,
        occurred_at,
        received_at,
    from consent_records
    where not is_granted and received_at <= $as_of
    union all
    select
        coalesce(mail_blocks.email, send_addresses.email) as email,
        mail_blocks.external_id,
        null as email_hash,
        case
            when mail_blocks.reason = 'opt_out'
                then coalesce(mail_blocks.mail_kind, rule_unsubscribe_groups.kind, 'marketing')
            else 'all'
        end as blocks,
        mail_blocks.reason,
        case
            when mail_blocks.mail_kind is null and rule_unsubscribe_groups.kind is null then mail_blocks.group_id
        end as unnamed_group,
        mail_blocks.occurred_at,
        mail_blocks.received_at,
    from mail_blocks
    left join send_addresses on mail_blocks.send_id = send_addresses.send_id
    left join rule_unsubscribe_groups on mail_blocks.group_id = rule_unsubscribe_groups.group_id
    where mail_blocks.reason != 'soft_bounce'
),

known as (
    select
        email,
        external_id,
        email_hash,
        unnest(kinds_meant(blocks)) as blocks,
        reason,
        unnamed_group,
        least(occurred_at, received_at) as since_at,
    from told
),

named as (
    select scope_identities.lead_id, known.blocks, known.reason, known.unnamed_group, known.since_at
    from known
    inner join scope_identities on known.email = scope_identities.value and scope_identities.kind = 'email'
    union all
    select scope_identities.lead_id, known.blocks, known.reason, known.unnamed_group, known.since_at
    from known
    inner join scope_identities
        on known.external_id = scope_identities.value and scope_identities.kind = 'external_id'
    union all
    -- what is kept of whoever was erased; where nothing is, no address is hashed
    select scope_identities.lead_id, hashed.blocks, hashed.reason, hashed.unnamed_group, hashed.since_at
    from (select * from known where email_hash is not null) as hashed
    inner join scope_identities
        on hashed.email_hash = address_hash(scope_identities.value) and scope_identities.kind = 'email'
),

lifting as (
    select
        coalesce(mail_blocks.email, send_addresses.email) as email,
        mail_blocks.occurred_at,
        unnest(kinds_meant(coalesce(mail_blocks.mail_kind, rule_unsubscribe_groups.kind))) as blocks,
        case
            when mail_blocks.mail_kind is null and rule_unsubscribe_groups.kind is null then mail_blocks.group_id
        end as unnamed_group,
    from mail_blocks
    left join send_addresses on mail_blocks.send_id = send_addresses.send_id
    left join rule_unsubscribe_groups on mail_blocks.group_id = rule_unsubscribe_groups.group_id
    where mail_blocks.event_type = 'mail_resubscribe' and mail_blocks.occurred_at <= $as_of
),

lifted as (
    select scope_identities.lead_id, lifting.blocks, lifting.unnamed_group, max(lifting.occurred_at) as lifted_at
    from lifting
    inner join scope_identities on lifting.email = scope_identities.value and scope_identities.kind = 'email'
    group by scope_identities.lead_id, lifting.blocks, lifting.unnamed_group
),

owned as (
    select lead_id, blocks, reason, max(since_at) as since_at
    from named
    where
        not exists (
            select 1
            from lifted
            where
                lifted.lead_id = named.lead_id
                and lifted.blocks = named.blocks
                and coalesce(lifted.unnamed_group = named.unnamed_group, lifted.unnamed_group is null)
                and lifted.lifted_at > named.since_at
        )
    group by lead_id, blocks, reason
),

soft_bounces as (
    -- a mail counts once, however often its bounce is told
    select
        scope_identities.lead_id,
        scope_identities.value as email,
        coalesce(mail_blocks.send_id, mail_blocks.event_id::varchar) as mail,
        min(least(mail_blocks.occurred_at, mail_blocks.received_at)) as bounced_at,
    from mail_blocks
    left join send_addresses on mail_blocks.send_id = send_addresses.send_id
    inner join scope_identities
        on
            coalesce(mail_blocks.email, send_addresses.email) = scope_identities.value
            and scope_identities.kind = 'email'
    where mail_blocks.reason = 'soft_bounce'
    group by scope_identities.lead_id, scope_identities.value, mail
),

deliveries as (
    select told_of.email, max(told_of.delivered_at) as delivered_at
    from (
        select delivered_to as email, delivered_at from last_deliveries
        union all
        select send_addresses.email, last_deliveries.delivered_at
        from last_deliveries
        inner join send_addresses on last_deliveries.delivered_to = 'send:' || send_addresses.send_id
    ) as told_of
    where told_of.email in (select soft_bounces.email from soft_bounces)
    group by told_of.email
),

in_a_row as (
    select
        soft_bounces.lead_id,
        soft_bounces.bounced_at,
        lag(soft_bounces.bounced_at, $soft_bounces - 1) over (
            partition by soft_bounces.lead_id, soft_bounces.email order by soft_bounces.bounced_at, soft_bounces.mail
        ) as first_bounced_at,
    from soft_bounces
    left join deliveries on soft_bounces.email = deliveries.email
    where deliveries.delivered_at is null or soft_bounces.bounced_at > deliveries.delivered_at
)

select
    lead_id,
    blocks,
    reason,
    since_at,
    null::timestamptz as until_at,
from owned
union all
select
    lead_id,
    'all' as blocks,
    'soft_bounces' as reason,
    max(bounced_at) as since_at,
    later(max(bounced_at), $soft_rest_us) as until_at,
from in_a_row
where epoch_us(bounced_at) - epoch_us(first_bounced_at) <= $soft_within_us
group by lead_id
