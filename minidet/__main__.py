"""`python -m minidet` is the command `minidet`."""

import sys

from minidet.cli import main

if __name__ == "__main__":
    sys.exit(main())
