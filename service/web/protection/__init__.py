"""Who may use the service, and how much of it.

access        API keys
limits        concurrent streams, and request rates
rates         counts requests by client
computations  work that is done before a response begins
connections   deadlines and sizes, below the application
headers       what browsers may do with a response
"""
