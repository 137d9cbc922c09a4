"""The command line, one module a command: `weight-init init`, `recommend`, `schemes`, `kernels` and `serve`.

program  the commands together, and what is said when one fails
output   what is printed, and the status of the end
fields   options from the fields of a request
"""

from service.cli.program import app, main

__all__ = ["app", "main"]
