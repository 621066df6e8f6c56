"""What pruning costs a network that was carried over to another domain (Guo et al. 2020)."""
