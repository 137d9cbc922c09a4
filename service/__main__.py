"""`python -m service` runs the command `weight-init`."""

from service.cli import main

if __name__ == "__main__":
    main()
