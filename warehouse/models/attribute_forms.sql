-- One row per attribute value that segments compare as text, with the form it is compared in (NFKC, lower case).
-- key: value
-- from: lead_attribute_history
select
    value,
    lower(nfkc(value)) as normal_form,
from (
    select distinct value
    from lead_attribute_history
    where field in (select unnest($compared_fields))
) as compared
