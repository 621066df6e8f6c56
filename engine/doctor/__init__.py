"""What is wrong with a results folder, and how it is mended."""
