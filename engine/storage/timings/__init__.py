"""The folder of a timing on a board."""
