"""What a user may ask for: requests, the settings they are made of, and the catalogue of names."""
