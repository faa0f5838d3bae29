"""The outside world, one module a provider. Knows nothing of Prefect."""
