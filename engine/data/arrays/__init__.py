"""Arrays of numbers in files: which of them are images and labels, and how."""
