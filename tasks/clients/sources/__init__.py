"""Reads what people did and who they are from where it stands: databases and files, in bounded batches of text."""
