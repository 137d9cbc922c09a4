"""What the operator sees.

watch         measures each request once
exchange      the measurements of one request and its response
metrics       metrics for Prometheus
metrics_port  serves them on a port of their own
logs          one log line for each request
stderr        writes the log, without waiting for it
"""
