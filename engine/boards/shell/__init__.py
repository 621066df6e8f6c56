"""What an account's login shell is told, and what it answers before our command begins."""
