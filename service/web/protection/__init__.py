"""What clients may do, and how much of it.

access        API keys
limits        permits, computations and rates
connections   deadlines and sizes below the application
headers       what browsers may do with a response
"""
