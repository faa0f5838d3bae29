"""What can go wrong with the DuckDB files, in words that tell the way out."""


class WarehouseError(Exception):
    """A DuckDB file cannot be used."""


class FileLockedError(WarehouseError):
    """Another process has held the file for longer than we wait."""


class InstantError(WarehouseError):
    """A run was asked for an instant that lies before one already computed here."""
