"""What the operator sees.

watch      the outermost layer of the application: each request is measured once
exchange   one request and its response, as they look from outside
metrics    counters for Prometheus
logs       one line for each request
"""
