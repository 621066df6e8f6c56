"""Charts of several models side by side."""
