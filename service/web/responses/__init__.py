"""From an answer to the bytes on the wire.

negotiation   which format the client accepts
tensor        status, headers and body of a tensor
ranges        parts of a file
streaming     blocks, computed a little ahead of the socket
digests       Repr-Digest, computed before the response begins
memory        returns memory to the system after a rush
"""
