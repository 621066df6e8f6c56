"""Files that come from the browser."""
