-- One row per reason not to mail a lead: an opt-out blocks marketing, a dead or complaining address blocks all.
-- key: lead_id, blocks, reason
-- from: suppression_records, events, consent_records, lead_identities
-- A reason that any identity of a lead bears holds for the whole lead. Only the person lifts an opt-out, by subscribing
-- again; no import and no sync does.
with told as (
    select email, external_id, blocks, reason, occurred_at
    from suppression_records
    where occurred_at <= $as_of and received_at <= $as_of
    union all
    select email, external_id, 'marketing' as blocks, 'opt_out' as reason, occurred_at
    from consent_records
    where not is_granted and occurred_at <= $as_of and received_at <= $as_of
    union all
    select
        email,
        external_id,
        case when event_type = 'mail_unsubscribe' then 'marketing' else 'all' end as blocks,
        case event_type
            when 'mail_unsubscribe' then 'opt_out'
            when 'mail_spam_report' then 'spam_report'
            else 'hard_bounce'
        end as reason,
        occurred_at,
    from events
    where
        (
            event_type in ('mail_unsubscribe', 'mail_spam_report')
            -- SendGrid calls a refusal that may pass "blocked"; the address is not dead
            or (event_type = 'mail_bounce' and coalesce(properties['type'], 'bounce') != 'blocked')
        )
        and occurred_at <= $as_of
        and received_at <= $as_of
),

owned as (
    select
        lead_identities.lead_id,
        told.blocks,
        told.reason,
        max(told.occurred_at) as since_at,
    from (
        select 'email:' || email as identity, blocks, reason, occurred_at from told
        union all
        select 'id:' || external_id as identity, blocks, reason, occurred_at from told
    ) as told
    inner join lead_identities on told.identity = lead_identities.identity
    group by lead_identities.lead_id, told.blocks, told.reason
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
where owned.reason != 'opt_out' or lifted.lifted_at is null or lifted.lifted_at <= owned.since_at
