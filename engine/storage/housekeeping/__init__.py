"""What people do about their runs: names and notes, deletion that can be undone, and space on the disk."""
