-- One row per company that any lead belongs to now: its signs, its leads, and the sum of their scores.
-- key: account_id
-- from: touched_accounts, lead_accounts, lead_company_keys, leads, lead_attributes, rule_accounts
with in_touched as materialized (
    select account_id, lead_id
    from lead_accounts
    where valid_to = timestamptz 'infinity' and account_id in (select account_id from touched_accounts)
),

members as (
    select
        in_touched.account_id,
        in_touched.lead_id,
        keys.number,
        keys.domain,
        keys.valid_from,
        lead_attributes.attributes[rule_accounts.name_field] as name,
    from in_touched
    inner join lead_company_keys as keys
        on in_touched.lead_id = keys.lead_id and keys.valid_to = timestamptz 'infinity'
    left join lead_attributes on in_touched.lead_id = lead_attributes.lead_id
    cross join rule_accounts
)

select
    members.account_id,
    -- of the names its leads go by, the latest
    arg_max(members.name, (members.valid_from, members.name)) as name,
    max(members.number) as corporate_number,
    list_sort(list(distinct members.domain) filter (where members.domain is not null)) as domains,
    count(*) as leads,
    sum(leads.score)::integer as score,
    max(leads.last_action_at) as last_action_at,
from members
inner join leads on members.lead_id = leads.lead_id
group by members.account_id
