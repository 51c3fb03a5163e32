"""`python -m latentstem`: the command line."""

import sys

from latentstem.cli import main

sys.exit(main())
