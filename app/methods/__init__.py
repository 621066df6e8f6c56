"""What only the page Methods uses: its cards, the tour, and what was measured of a small network."""
