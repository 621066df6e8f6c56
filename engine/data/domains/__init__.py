"""Two domains as data: a labelled source, and a target of the same classes whose labels nobody reads."""
