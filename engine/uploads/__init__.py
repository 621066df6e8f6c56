"""What comes from the browser: weights, arrays and image folders, checked and kept in the results folder. No torch."""
