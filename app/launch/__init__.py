"""What only the page Launch uses."""
