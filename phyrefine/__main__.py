"""``python -m phyrefine`` and the ``phyrefine`` command."""

import sys

from phyrefine.cli import main

if __name__ == "__main__":
    sys.exit(main())
