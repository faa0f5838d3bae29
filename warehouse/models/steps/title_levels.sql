-- One row per job title of leads in scope that has a level.
-- key: title
-- from: told_attributes, rule_title_levels
-- A level is told by how the title ends, so 営業部長 is a 部長 and 部長代理 is not; the longest ending counts, so 副部長
-- is none either. Of several titles in one, which 兼, brackets, commas and the like set apart, the highest level counts:
-- that first in the rules. What an English title is of or to is left out. A former 部長 (元部長, 前部長) is none.
with titles as (
    select
        value as title,
        normal_form(value) as whole,
    from (select distinct value from told_attributes where field = 'title')
),

parts as (
    select
        title,
        whole,
        unnest(
            regexp_split_to_array(
                regexp_replace(whole, '\b(of|to|for|at) [^,/&;|()]*', '', 'g'),
                '兼任|兼務|兼|[,、。・/&;|()\[\]{}<>【】「」『』〈〉《》]| and | - '
            )
        ) as part,
    from titles
),

compared as (
    select distinct
        title,
        replace(whole, ' ', '') as whole,
        regexp_replace(part, '\s', '', 'g') as part,
    from parts
),

matched as (
    select
        compared.title,
        compared.part,
        rule_title_levels.title_level,
        rule_title_levels.position,
    from compared
    inner join rule_title_levels
        on
            (rule_title_levels.match = 'exact' and rule_title_levels.word in (compared.part, compared.whole))
            or (
                rule_title_levels.match = 'ending'
                and ends_with(compared.part, rule_title_levels.word)
                and compared.part not in ('元' || rule_title_levels.word, '前' || rule_title_levels.word)
            )
    qualify
        row_number() over (
            partition by compared.title, compared.part
            order by rule_title_levels.match = 'exact' desc, length(rule_title_levels.word) desc
        ) = 1
)

select
    title,
    arg_min(title_level, position) as title_level,
from matched
group by title
