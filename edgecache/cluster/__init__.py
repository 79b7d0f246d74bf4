"""What nodes and control say to each other."""
