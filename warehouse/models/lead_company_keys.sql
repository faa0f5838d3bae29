-- One row per stretch of time in which a lead bears the same signs of its company: its number, mail domain and name.
-- key: lead_id, valid_from
-- from: lead_attribute_history, rule_accounts, rule_shared_domains
-- A number whose check digit is wrong, the domain of free mail, and a name of legal form alone are no signs.
with numbers as (
    select value, corporate_number(value) as number
    from (
        select distinct value from lead_attribute_history
        where field = (select number_field from rule_accounts)
    )
),

names as (
    select
        value,
        company_name(value, $legal_forms) as name,
    from (
        select distinct value from lead_attribute_history
        where field = (select name_field from rule_accounts)
    )
),

told as (
    select
        history.lead_id,
        history.valid_from,
        -- {} is "told to be none", NULL is "not told"
        max({'sign': numbers.number}) filter (where history.field = rule_accounts.number_field) as number,
        max({'sign': if(shared.domain is null, history.value, null)}) filter (
            where history.field = 'email_domain'
        ) as domain,
        max({'sign': names.name}) filter (where history.field = rule_accounts.name_field) as name,
    from lead_attribute_history as history
    cross join rule_accounts
    left join numbers on history.field = rule_accounts.number_field and history.value = numbers.value
    left join names on history.field = rule_accounts.name_field and history.value = names.value
    left join rule_shared_domains as shared on history.field = 'email_domain' and history.value = shared.domain
    where history.field in (rule_accounts.number_field, rule_accounts.name_field, 'email_domain')
    group by history.lead_id, history.valid_from
),

carried as (
    select
        lead_id,
        valid_from,
        (last_value(number ignore nulls) over by_time).sign as number,
        (last_value(domain ignore nulls) over by_time).sign as domain,
        (last_value(name ignore nulls) over by_time).sign as name,
    from told
    window by_time as (partition by lead_id order by valid_from)
),

changes as (
    select *
    from carried
    qualify
        (number, domain, name) is distinct from lag((number, domain, name)) over (
            partition by lead_id order by valid_from
        )
)

select
    lead_id,
    valid_from,
    coalesce(lead(valid_from) over (partition by lead_id order by valid_from), timestamptz 'infinity') as valid_to,
    number,
    domain,
    name,
from changes
