"""The marks of the trade-off chart, each kind in a file of its own. Pure functions."""
