"""Training: fit a network to data, and evaluate it."""
