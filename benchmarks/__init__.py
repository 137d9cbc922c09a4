"""What is measured, each a ratio within one run; never in a timed test."""
