"""Requests and responses, independent of the transport: the fields, their checks, and the metadata."""
