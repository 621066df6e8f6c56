"""Keys: the user's, in files and in an agent, and the certificates of hosts."""
