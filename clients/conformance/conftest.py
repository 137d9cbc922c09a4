"""What is no test."""

collect_ignore = ["generators"]  # its program imports a client that a test generates first
