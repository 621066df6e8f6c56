"""Explore by technique: a chart for each one, side by side, and what each costs at one common cost."""
