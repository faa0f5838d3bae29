-- One row per affected mail domain that some lead bears, with the company it stands for: that of the only number borne
-- beside it, else one of its own.
-- key: value
-- from: affected_domains, lead_company_keys
select
    keys.domain as value,
    account_name(
        case
            when count(distinct keys.number) = 1 then 'number:' || any_value(keys.number)
            else 'domain:' || keys.domain
        end
    ) as account_id,
from lead_company_keys as keys
semi join affected_domains using (domain)
group by keys.domain
