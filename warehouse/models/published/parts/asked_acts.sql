-- One row per act of a lead, no program's, that some mail asks for, of the leads looked at.
-- key: event_id, behaviour
-- from: credited_acts, rule_steps, rule_variants
select
    event_id,
    lead_id,
    behaviour,
    occurred_at,
from credited_acts
where
    not is_machine
    and behaviour in (
        select cta_behaviour
        from warehouse.rule_steps
        where cta_behaviour is not null
        union
        select cta_behaviour
        from warehouse.rule_variants
        where cta_behaviour is not null
    )
