-- One row per behaviour and kind of event (type and groups) that may be it.
-- key: behaviour, event_type, page_group, asset_group
-- from: rule_behaviour_kinds, events_to_place, passive_event_types
with types as (
    select distinct event_type
    from events_to_place
    where event_type not in (select event_type from passive_event_types)
)

select behaviour, event_type, page_group, asset_group
from rule_behaviour_kinds
where event_type != 'any'
union all
select kinds.behaviour, types.event_type, kinds.page_group, kinds.asset_group
from rule_behaviour_kinds as kinds
cross join types
where kinds.event_type = 'any'
