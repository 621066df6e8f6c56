"""What the layers of a run's point take on this host, beside those of the network that the run began with."""
