"""`python -m npubench`."""

import sys

from npubench.cli import main

sys.exit(main())
