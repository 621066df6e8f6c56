"""The folder of a landscape, and the one file that its figures stand in."""
