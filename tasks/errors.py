"""Runs that failed, in words that tell the way out. The command line exits with 1."""


class RunError(Exception):
    """A step could not do its work; what was done so far is recorded, and the next run goes on from there."""


class RecordsError(RunError):
    """Single records could not be read or were refused; all others were dealt with."""
