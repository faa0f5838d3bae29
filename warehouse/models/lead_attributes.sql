-- One row per lead of whom anything was told: what its fields hold now.
-- key: lead_id
-- from: lead_attribute_history
-- Maps of the same fields are equal only where these stand in the same order.
select
    lead_id,
    map_from_entries(list_sort(list({'key': field, 'value': value}))) as attributes,
from lead_attribute_history
where valid_to = timestamptz 'infinity' and value is not null
group by lead_id
