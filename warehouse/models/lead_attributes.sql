-- One row per lead of whom anything was told: what its fields hold now.
-- key: lead_id
-- from: lead_attribute_history
select
    lead_id,
    map_from_entries(list({'key': field, 'value': value})) as attributes,
from lead_attribute_history
where valid_to = timestamptz 'infinity' and value is not null
group by lead_id
