-- One row per identity of a mail event that belonged to nobody and does now.
-- key: identity
-- from: changed_identities, unknown_addressees
select identity, kind, value
from changed_identities
where identity in (select identity from unknown_addressees)
