"""What a run begins with: its data and network, what loading them decided, a baseline that is there already."""
