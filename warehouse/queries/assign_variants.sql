-- One row per lead with a due mail that is tested, and without a variant of it yet: which one it gets.
-- key: lead_id, test
-- from: undecided, tests_now, lead_aliases, variant_assignments, rule_variants
-- By a hash of the lead and not by chance, so that a ledger lost and made anew tells the same. Readers of a newsletter
-- who are not of the sample have none until the test is over.
with due as (
    select distinct
        tests_now.test,
        tests_now.is_over,
        tests_now.goes_on,
        tests_now.sample_share,
        aliases.lead_id,
    from undecided
    inner join tests_now using (scenario, step)
    inner join warehouse.lead_aliases as aliases on undecided.lead_id = aliases.alias_lead_id
),

known as (
    select variant_assignments.test, aliases.lead_id
    from variant_assignments
    inner join warehouse.lead_aliases as aliases on variant_assignments.lead_id = aliases.alias_lead_id
),

placed as (
    select
        due.*,
        -- the first 52 bits of a hash as a place from 0 to 1
        ('0x' || substr(md5(concat_ws(':', 'variant', due.test, due.lead_id)), 1, 13))::bigint / 4503599627370496.0
            as place,
        ('0x' || substr(md5(concat_ws(':', 'sample', due.test, due.lead_id)), 1, 13))::bigint / 4503599627370496.0
            as sample_place,
    from due
    anti join known using (test, lead_id)
)

select
    placed.lead_id,
    placed.test,
    if(placed.is_over, placed.goes_on, rule_variants.variant) as variant,
    not placed.is_over as is_sample,
    $as_of as assigned_at,
from placed
inner join warehouse.rule_variants
    on
        placed.test = rule_variants.test
        and placed.place >= rule_variants.low
        and placed.place < rule_variants.high
where placed.is_over or placed.sample_share is null or placed.sample_place < placed.sample_share
