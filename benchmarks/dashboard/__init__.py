"""What the dashboard takes with ten thousand runs, and what the storage of others takes for the same question."""
