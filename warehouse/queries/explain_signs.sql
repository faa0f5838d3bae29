-- One row per identity and sign of a company that it bears or has borne: a number, a mail domain, a name.
-- key: kind, value, sign
-- from: lead_records, identity_facts, unseen, rule_accounts, rule_shared_domains
-- Signs are those of lead_company_keys. The pattern is bound, so that it is compiled once and not for every name.
with told as (
    select
        coalesce(records.email, records.external_id) as value,
        if(records.email is null, 'external_id', 'email') as kind,
        records.attributes[rule_accounts.number_field] as number,
        records.attributes[rule_accounts.name_field] as name,
    from warehouse.lead_records as records
    cross join rule_accounts
    where records.received_at <= $as_of and coalesce(records.email, records.external_id) is not null
),

names as (
    select name, company_name(name, $legal_forms) as sign
    from (select distinct name from told)
),

numbers as (
    select number, corporate_number(number) as sign
    from (select distinct number from told)
),

addresses as (
    select email from warehouse.identity_facts
    union
    select email from unseen
    where makes_lead
)

select told.kind, told.value, 'name:' || names.sign as sign
from told
inner join names on told.name = names.name and names.sign is not null
union
select told.kind, told.value, 'number:' || numbers.sign as sign
from told
inner join numbers on told.number = numbers.number and numbers.sign is not null
union
select 'email' as kind, addresses.email as value, 'domain:' || split_part(addresses.email, '@', -1) as sign
from addresses
where
    addresses.email is not null
    and split_part(addresses.email, '@', -1) not in (select domain from rule_shared_domains)
