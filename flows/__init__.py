"""The scheduled stories: each puts steps in order and does nothing else."""
