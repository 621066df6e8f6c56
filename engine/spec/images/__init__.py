"""How a request says what its images are: their size, and what their labels mean."""
