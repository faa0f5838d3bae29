-- One row per job title in use, with its level.
-- key: title
-- from: lead_records, rule_title_levels
-- A level is told by how the title ends, so 営業部長 is a 部長 and 部長代理 is not; the first level in the rules wins.
-- Titles are compared in NFKC and lower case (nfkc is registered by the runner).
with titles as (
    select distinct
        unnest(map_extract(attributes, 'title')) as title,
    from lead_records
),

normal as (
    select
        title,
        lower(replace(replace(nfkc(title), ' ', ''), '　', '')) as compared,
    from titles
)

select
    normal.title,
    arg_min(rule_title_levels.title_level, rule_title_levels.position) as title_level,
from normal
inner join rule_title_levels
    on
        (rule_title_levels.match = 'exact' and normal.compared = rule_title_levels.word)
        or (rule_title_levels.match = 'ending' and ends_with(normal.compared, rule_title_levels.word))
group by normal.title
