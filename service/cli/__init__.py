"""The command line: `weight-init init`, `checkpoint`, `recommend`, `serve` and the others, each in its own module.

program  the program as a whole, and how it reports errors
output   printing, and exit statuses
writing  what the commands that write files share
fields   options made from the fields of a request
"""

from service.cli.program import app, main

__all__ = ["app", "main"]
