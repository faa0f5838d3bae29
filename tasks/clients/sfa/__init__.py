"""The SFA, whichever it is: one protocol, one file a provider."""
