"""Comparisons of runs on the command line."""
