"""What a landscape is asked for by: accuracy over depth kept × width kept."""
