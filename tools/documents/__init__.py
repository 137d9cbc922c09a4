"""The generators of documents and of the generated parts of documents."""
