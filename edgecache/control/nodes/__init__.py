"""What control knows of nodes."""
