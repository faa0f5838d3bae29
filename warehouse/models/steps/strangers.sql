-- One row per identity of a mail event to place that belongs to nobody yet.
-- key: identity
-- from: events_to_place, lead_identities
with told as (
    select 'email:' || email as identity
    from (select distinct email from events_to_place where starts_with(event_type, 'mail_') and email is not null)
    union all
    select 'id:' || external_id as identity
    from (
        select distinct external_id
        from events_to_place
        where starts_with(event_type, 'mail_') and external_id is not null
    )
)

select identity
from told
where identity not in (select identity from lead_identities)
