"""Doing things at the same time, with the standard library alone: how many cores there are, work ahead of its reader, and work shared.

cores            the cores that this process may use
ahead            results in order, computed on several threads before they are taken
single_flight    equal work that is asked for at the same time is done once
"""
