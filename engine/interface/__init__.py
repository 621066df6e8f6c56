"""What `import engine` offers: the engine's parts put together for a network that is in no catalogue."""
