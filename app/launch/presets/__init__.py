"""The launch form filled in: by a preset, or from a run."""
