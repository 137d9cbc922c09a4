"""HTTP. Imports everything below; nothing below imports it.

app           the application and its routes
body          reads the body of a request
problems      errors as RFC 9457 problems
startup       loads the kernels, and says when the service is ready
responses/    from an answer to the bytes on the wire
protection/   keys, limits and connections
monitoring/   metrics and logs
openapi/      the document of the interface
"""
