"""The outside world in miniature: a stand-in SendGrid, and a simulated company with its visitors and its sales team.

It exists so that the demo, the tests and the load runs need no account, no network and no real address. It imports
nothing of the engine's own packages: whatever the engine does, this side only sees requests, files and tables.
"""
