"""What only the page Devices uses."""
