"""Runs on the nodes of a Ray cluster, which share no files with this computer."""
