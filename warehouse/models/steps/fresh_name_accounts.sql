-- One row per affected company name that some lead bears, with the company it stands for: the only one that a number or
-- a domain beside it tells, else one of its own.
-- key: value
-- from: affected_names, lead_company_keys, account_domains
with told as (
    select
        keys.name,
        case
            when keys.number is not null then account_name('number:' || keys.number)
            else account_domains.account_id
        end as account_id,
    from lead_company_keys as keys
    semi join affected_names using (name)
    left join account_domains on keys.domain = account_domains.value
)

select
    name as value,
    case
        when count(distinct account_id) = 1 then any_value(account_id)
        else account_name('name:' || name)
    end as account_id,
from told
group by name
