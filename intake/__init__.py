"""The small web face: forms, page tracking, SendGrid's event webhook, opt-out and preferences. It only ever appends."""
