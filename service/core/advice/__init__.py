"""What to think of an initializer."""
