"""What may be asked and what is answered, in whatever way it travels: the fields, their checks, the metadata."""
