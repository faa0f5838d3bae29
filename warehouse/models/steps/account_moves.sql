-- One row per lead whose company signs changed, or whose signs stand for another company than before.
-- key: lead_id
-- from: lead_company_keys, replaced_people, changed_domains, changed_names
select lead_id from lead_company_keys
where
    lead_id in (select lead_id from replaced_people)
    or domain in (select value from changed_domains)
    or name in (select value from changed_names)
group by lead_id
