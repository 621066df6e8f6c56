"""What keeps the index quick: a journal of changes, the watch over the folders, points as columns. No torch."""
