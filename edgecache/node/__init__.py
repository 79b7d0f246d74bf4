"""One process of ours."""
