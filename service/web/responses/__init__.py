"""Turns an answer into an HTTP response.

negotiation   the format that the client accepts
tensor        status, headers and body of a tensor
checkpoint    the same of a file of a checkpoint
files         what both share
ranges        parts of a file
streaming     blocks, computed a few ahead of the socket
digests       Repr-Digest, computed before the response begins
memory        returns memory to the system after a load peak
"""
