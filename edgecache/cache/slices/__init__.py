"""Large objects in slices."""
