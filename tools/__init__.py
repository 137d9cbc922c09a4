"""Programs for the maintainers of this project. Neither the package nor the image contains them."""
