"""Archives the finished journals of a folder, in a process of its own."""

import sys

from groundplan.serving.log.archive import main

main(*sys.argv[1:])
