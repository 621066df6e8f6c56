"""The results folder: job folders, which are the truth, and the index that makes them quick to ask."""
