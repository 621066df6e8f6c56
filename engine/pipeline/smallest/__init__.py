"""The smallest network that keeps an accuracy: ratios are tried until it is found."""
