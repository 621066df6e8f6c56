"""What trtexec of each version prints, and how it fails."""
