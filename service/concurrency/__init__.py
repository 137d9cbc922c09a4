"""Threads and shared work, built on the standard library alone.

cores            counts the cores that this process may use
ahead            computes results on several threads ahead of their consumer, in order
interruption     stops work that nobody waits for any more
single_flight    does equal work once when several callers request it at the same time
"""
