"""What each layer of a network takes on a board, by the names that the network's own modules have."""
