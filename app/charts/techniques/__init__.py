"""A chart for each technique, all with the same axes, and the key to their marks. Pure functions."""
