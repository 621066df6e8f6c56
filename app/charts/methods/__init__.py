"""Pictures of the page Methods. Pure functions."""
