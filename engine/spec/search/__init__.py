"""The file of a search: what stays fixed, what is looked through, what counts, and how much is tried."""
