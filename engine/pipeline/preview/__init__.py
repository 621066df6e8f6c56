"""What a request comes to before any training, within seconds: cut, reconstruct, measure on validation images."""
