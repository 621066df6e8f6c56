"""What a reconstruction would leave over after a cut, from moments that the untouched network was asked for once."""
