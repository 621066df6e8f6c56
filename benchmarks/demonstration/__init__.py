"""Measures a small network for the page Methods."""
