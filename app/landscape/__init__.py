"""What the Landscape page alone uses."""
