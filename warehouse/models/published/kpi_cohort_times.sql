-- One row per local month of first contact, source, segment or scenario, step and days: how many leads took so many.
-- key: month, dimension, value, step, days
-- from: cohort_time_counts
-- The days are whole ones of 24 hours from the first contact to the first time that a lead came to the step. Counted
-- so, a day's changes can be added, and whoever wants another share than the half of kpi_cohorts finds it here.
select month, dimension, value, step, days, leads::bigint as leads
from cohort_time_counts
order by month, dimension, value, step, days
