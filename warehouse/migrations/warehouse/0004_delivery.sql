-- When the mail of a step may go.
alter table rule_steps add column send_window varchar;
