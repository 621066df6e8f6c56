"""A sweep of ten thousand runs on sixty-four nodes that take no time to compute, and a dashboard that looks at it."""
