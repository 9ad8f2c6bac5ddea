"""``python -m stacknb``: the command line, where the script of that name is not in PATH."""

import sys

from stacknb.cli import main

if __name__ == "__main__":
    sys.exit(main())
