"""``python -m phyrefine`` and the ``phyrefine`` command."""

import os
import sys

from phyrefine.cli import main

if __name__ == "__main__":
    if int(os.environ.get("WORLD_SIZE") or 1) > 1:  # started by torchrun
        from phyrefine.cli.torchrun import run

        sys.exit(run(main))
    sys.exit(main())
