"""The command line: `weight-init init`, `recommend`, `schemes`, `kernels` and `serve`, each in its own module.

program  the program as a whole, and how it reports errors
output   printing, and exit statuses
fields   options made from the fields of a request
"""

from service.cli.program import app, main

__all__ = ["app", "main"]
