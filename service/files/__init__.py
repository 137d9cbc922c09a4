"""Virtual files: a tensor in a file format. Any part can be read without computing the rest."""
