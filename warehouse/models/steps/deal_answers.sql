-- One row per span of time in which any deal of a lead in scope is as a question asks.
-- key: question, lead_id, from_at
-- from: deal_spans
select question, lead_id, from_at, to_at
from merged_spans('deal_spans')
