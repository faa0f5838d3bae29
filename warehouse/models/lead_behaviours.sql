-- One row per event of a known person and behaviour of the rules that it is, with whether it counts.
-- key: event_id, behaviour
-- from: scope_behaviours, uncounted_behaviours
select
    scope_behaviours.*,
    not scope_behaviours.is_machine
    and not scope_behaviours.is_opt_out_click
    and uncounted_behaviours.event_id is null as is_counted,
from scope_behaviours
left join uncounted_behaviours
    on
        scope_behaviours.event_id = uncounted_behaviours.event_id
        and scope_behaviours.behaviour = uncounted_behaviours.behaviour
