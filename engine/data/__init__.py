"""Image sets by name or path, their splits and batches."""
