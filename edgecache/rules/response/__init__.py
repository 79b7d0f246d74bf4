"""What a viewer gets."""
