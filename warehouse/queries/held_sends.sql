-- One row per planned send whose window is closed now, where its lead is: it waits.
-- key: send_id
-- from: sends, lead_aliases, lead_attributes, rule_steps, rule_variants, window_openings, known_zones
with planned as (
    select
        sends.send_id,
        if(rule_variants.variant is null, rule_steps.send_window, rule_variants.send_window) as send_window,
        coalesce(known_zones.zone, $timezone) as zone,
    from sends
    inner join warehouse.rule_steps
        on sends.scenario = rule_steps.scenario and sends.step = rule_steps.step
    left join warehouse.rule_variants
        on
            sends.scenario = rule_variants.scenario
            and sends.step = rule_variants.step
            and sends.variant = rule_variants.variant
    left join warehouse.lead_aliases as aliases on sends.lead_id = aliases.alias_lead_id
    left join warehouse.lead_attributes on aliases.lead_id = lead_attributes.lead_id
    left join known_zones on lead_attributes.attributes[$time_zone_field] = known_zones.zone
    where
        sends.state = 'planned'
        and if(rule_variants.variant is null, rule_steps.send_window, rule_variants.send_window) is not null
),

open_now as (
    select
        window_openings.send_window,
        zones.zone,
    from window_openings
    cross join (select distinct zone from planned) as zones
    where
        timezone(zones.zone, window_openings.opens_at) <= $as_of
        and timezone(zones.zone, window_openings.closes_at) > $as_of
)

select send_id
from planned
anti join open_now using (send_window, zone)
