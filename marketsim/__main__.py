"""`python -m marketsim` is the same as `marketsim`."""

import sys

from marketsim.cli import main

sys.exit(main())
