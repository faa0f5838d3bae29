"""DuckDB: connections, migrations, and the SQL, one model a file. Knows nothing of Prefect or of the outside world."""
