"""The map of a landscape."""
