"""What is removed: the plan that records it, the cut, and the masked network that a cut must equal."""
