-- One row per company name whose company may be another than before.
-- key: name
-- from: old_company_keys, lead_company_keys, replaced_people, changed_domains
select name from old_company_keys where name is not null
union
select name from lead_company_keys
where
    name is not null
    and (lead_id in (select lead_id from replaced_people) or domain in (select value from changed_domains))
union
-- a domain that nobody bears any more was beside these
select name from old_company_keys
where name is not null and domain in (select value from changed_domains)
