-- One row per job title of leads in scope that has a level.
-- key: title
-- from: told_attributes, rule_title_levels
-- A level is told by how the title ends, so 営業部長 is a 部長 and 部長代理 is not; the first level in the rules wins.
with titles as (
    select
        value as title,
        replace(normal_form(value), ' ', '') as compared,
    from (select distinct value from told_attributes where field = 'title')
)

select
    titles.title,
    arg_min(rule_title_levels.title_level, rule_title_levels.position) as title_level,
from titles
inner join rule_title_levels
    on
        (rule_title_levels.match = 'exact' and titles.compared = rule_title_levels.word)
        or (rule_title_levels.match = 'ending' and ends_with(titles.compared, rule_title_levels.word))
group by titles.title
