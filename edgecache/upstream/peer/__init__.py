"""Another tier of ours."""
