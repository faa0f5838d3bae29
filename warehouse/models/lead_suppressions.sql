-- One row per reason not to mail a lead: an opt-out blocks marketing, a dead or complaining address blocks all.
-- key: lead_id, blocks, reason
-- from: suppression_records, mail_blocks, consent_records, scope_identities, send_addresses
-- A reason that any identity of a lead bears holds for the whole lead. It holds from when we learnt of it, even where
-- its own stamp lies ahead: clocks and time zones err, and whoever opted out has. Only the person lifts a block of
-- marketing, by subscribing again; no import and no sync does.
with told as (
    select email, external_id, blocks, reason, occurred_at, received_at
    from suppression_records
    where received_at <= $as_of
    union all
    select email, external_id, 'marketing' as blocks, 'opt_out' as reason, occurred_at, received_at
    from consent_records
    where not is_granted and received_at <= $as_of
    union all
    select
        coalesce(mail_blocks.email, send_addresses.email) as email,
        mail_blocks.external_id,
        case when mail_blocks.event_type = 'mail_unsubscribe' then 'marketing' else 'all' end as blocks,
        case mail_blocks.event_type
            when 'mail_unsubscribe' then 'opt_out'
            when 'mail_spam_report' then 'spam_report'
            else 'hard_bounce'
        end as reason,
        mail_blocks.occurred_at,
        mail_blocks.received_at,
    from mail_blocks
    left join send_addresses on mail_blocks.send_id = send_addresses.send_id
    where mail_blocks.event_type != 'mail_resubscribe'
),

known as (
    select
        email,
        external_id,
        blocks,
        reason,
        least(occurred_at, received_at) as since_at,
    from told
),

owned as (
    select
        scope_identities.lead_id,
        named.blocks,
        named.reason,
        max(named.since_at) as since_at,
    from (
        select email as value, 'email' as kind, blocks, reason, since_at from known
        union all
        select external_id as value, 'external_id' as kind, blocks, reason, since_at from known
    ) as named
    inner join scope_identities on named.value = scope_identities.value and named.kind = scope_identities.kind
    group by scope_identities.lead_id, named.blocks, named.reason
),

lifted as (
    select
        scope_identities.lead_id,
        max(mail_blocks.occurred_at) as lifted_at,
    from mail_blocks
    inner join scope_identities on mail_blocks.email = scope_identities.value and scope_identities.kind = 'email'
    where mail_blocks.event_type = 'mail_resubscribe' and mail_blocks.occurred_at <= $as_of
    group by scope_identities.lead_id
)

select
    owned.lead_id,
    owned.blocks,
    owned.reason,
    owned.since_at,
from owned
left join lifted on owned.lead_id = lifted.lead_id
where owned.blocks = 'all' or lifted.lifted_at is null or lifted.lifted_at <= owned.since_at
