"""The HTTP interface. Only service.cli imports it.

app           the application and its routes
body          reads request bodies
problems      errors as RFC 9457 problem details
startup       loads the kernels, and tracks readiness
signals       reads the keys again, and ends with the parent
responses/    turns an answer into an HTTP response
protection/   keys, limits and connections
monitoring/   metrics and logs
openapi/      the OpenAPI document
"""
