-- A page that was opened by a link of a mail tells of the mail, and of the browser; the page view beside it is the act.
insert into passive_event_types values ('link_visit');
