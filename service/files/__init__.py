"""Virtual files: a tensor in a file format, of which any part can be read without making the rest."""
