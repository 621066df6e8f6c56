"""What only the page Explore uses."""
