-- One row per stretch of time in which a lead belonged to one company.
-- key: lead_id, valid_from
-- from: lead_company_keys, account_moves, account_domains, account_names
-- A number tells the company, without one the mail domain, without that the name.
with stretches as (
    select
        keys.lead_id,
        keys.valid_from,
        case
            when keys.number is not null then account_name('number:' || keys.number)
            else coalesce(account_domains.account_id, account_names.account_id)
        end as account_id,
    from lead_company_keys as keys
    semi join account_moves using (lead_id)
    left join account_domains on keys.domain = account_domains.value
    left join account_names on keys.name = account_names.value
),

changes as (
    select *
    from stretches
    qualify account_id is distinct from lag(account_id) over (partition by lead_id order by valid_from)
),

ended as (
    select
        *,
        coalesce(lead(valid_from) over (partition by lead_id order by valid_from), timestamptz 'infinity') as valid_to,
    from changes
)

select lead_id, account_id, valid_from, valid_to
from ended
where account_id is not null
