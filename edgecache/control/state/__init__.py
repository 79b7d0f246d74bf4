"""What control knows."""
