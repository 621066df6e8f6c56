"""Everything that is not a screen; usable without the dashboard."""
