"""Cached reads of the results folder, and what pages ask about them as tidy tables."""
