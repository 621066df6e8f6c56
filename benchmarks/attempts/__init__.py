"""What it takes to try removals out: each exactly, and a run's by reconstruction beside raced ones."""
