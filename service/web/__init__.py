"""HTTP: routes, negotiation, caching, streaming, problems. Nothing but the command line imports it."""
