-- One row per mail domain whose company may be another than before.
-- key: domain
-- from: old_company_keys, lead_company_keys, replaced_people
select domain from old_company_keys where domain is not null
union
select domain from lead_company_keys
where domain is not null and lead_id in (select lead_id from replaced_people)
