"""A landscape: accuracy over depth kept × width kept, cut alone and reconstructed, cell by cell."""
