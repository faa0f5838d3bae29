-- One row per local month of first contact and source, segment or scenario of those published before: their counts.
-- key: month, dimension, value
-- from: kpi_cohorts
select month, dimension, value, leads, mailed, clicked, hot, handed_off, met, deals, won, amount
from kpi_cohorts
