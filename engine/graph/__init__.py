"""Which channels are one and the same, which blocks there are, and what any plan costs, as arithmetic."""
