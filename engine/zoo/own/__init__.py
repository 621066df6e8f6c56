"""Networks of the user's own: which files may be built from, and how one is read."""
