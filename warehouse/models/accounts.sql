-- One row per company that any lead belongs to now: its signs, its leads, and the sum of their scores.
-- key: account_id
-- from: touched_accounts, lead_accounts, lead_company_keys, leads, lead_attribute_history, rule_accounts
with members as (
    select
        lead_accounts.account_id,
        lead_accounts.lead_id,
        keys.number,
        keys.domain,
    from lead_accounts
    semi join touched_accounts using (account_id)
    inner join lead_company_keys as keys
        on lead_accounts.lead_id = keys.lead_id and keys.valid_to = timestamptz 'infinity'
    where lead_accounts.valid_to = timestamptz 'infinity'
),

names as (
    -- of the names its leads tell, the latest
    select
        members.account_id,
        arg_max(history.value, (history.valid_from, history.value)) as name,
    from members
    inner join lead_attribute_history as history on members.lead_id = history.lead_id
    inner join rule_accounts on history.field = rule_accounts.name_field
    group by members.account_id
)

select
    members.account_id,
    any_value(names.name) as name,
    max(members.number) as corporate_number,
    list_sort(list(distinct members.domain) filter (where members.domain is not null)) as domains,
    count(*) as leads,
    sum(leads.score)::integer as score,
    max(leads.last_action_at) as last_action_at,
from members
inner join leads on members.lead_id = leads.lead_id
left join names on members.account_id = names.account_id
group by members.account_id
