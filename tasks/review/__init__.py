"""The weekly and monthly review: what changed, what of it is more than noise, and which edit answers it."""
