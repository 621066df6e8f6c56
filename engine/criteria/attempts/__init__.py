"""What a network loses without a block or some channels, measured once for many attempts."""
