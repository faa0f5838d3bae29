-- One row per reason not to mail a lead: an opt-out blocks marketing, a dead or complaining address blocks all.
-- key: lead_id, blocks, reason
-- from: suppression_records, events, consent_records, lead_identities, send_addresses
-- A reason that any identity of a lead bears holds for the whole lead. It holds from when we learnt of it, even where
-- its own stamp lies ahead: clocks and time zones err, and whoever opted out has. Only the person lifts a block of
-- marketing, by subscribing again; no import and no sync does.
with told as (
    select email, external_id, blocks, reason, occurred_at, received_at
    from suppression_records
    union all
    select email, external_id, 'marketing' as blocks, 'opt_out' as reason, occurred_at, received_at
    from consent_records
    where not is_granted
    union all
    select
        coalesce(events.email, send_addresses.email) as email,
        events.external_id,
        case when events.event_type = 'mail_unsubscribe' then 'marketing' else 'all' end as blocks,
        case events.event_type
            when 'mail_unsubscribe' then 'opt_out'
            when 'mail_spam_report' then 'spam_report'
            else 'hard_bounce'
        end as reason,
        events.occurred_at,
        events.received_at,
    from events
    left join send_addresses on events.send_id = send_addresses.send_id
    where
        events.event_type in ('mail_unsubscribe', 'mail_spam_report')
        -- SendGrid calls a refusal that may pass "blocked"; the address is not dead
        or (events.event_type = 'mail_bounce' and coalesce(events.properties['type'], 'bounce') != 'blocked')
),

known as (
    select
        email,
        external_id,
        blocks,
        reason,
        least(occurred_at, received_at) as since_at,
    from told
    where received_at <= $as_of
),

owned as (
    select
        lead_identities.lead_id,
        named.blocks,
        named.reason,
        max(named.since_at) as since_at,
    from (
        select 'email:' || email as identity, blocks, reason, since_at from known
        union all
        select 'id:' || external_id as identity, blocks, reason, since_at from known
    ) as named
    inner join lead_identities on named.identity = lead_identities.identity
    group by lead_identities.lead_id, named.blocks, named.reason
),

lifted as (
    select
        lead_identities.lead_id,
        max(events.occurred_at) as lifted_at,
    from events
    inner join lead_identities on lead_identities.identity = 'email:' || events.email
    where
        events.event_type = 'mail_resubscribe'
        and events.occurred_at <= $as_of
        and events.received_at <= $as_of
    group by lead_identities.lead_id
)

select
    owned.lead_id,
    owned.blocks,
    owned.reason,
    owned.since_at,
from owned
left join lifted on owned.lead_id = lifted.lead_id
where owned.blocks = 'all' or lifted.lifted_at is null or lifted.lifted_at <= owned.since_at
