"""Programs for those who work on this project. The package and the image do not contain them."""
