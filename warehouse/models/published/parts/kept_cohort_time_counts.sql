-- One row per local month of first contact, source, segment or scenario, step and days of those published before.
-- key: month, dimension, value, step, days
-- from: kpi_cohort_times
select month, dimension, value, step, days, leads
from kpi_cohort_times
