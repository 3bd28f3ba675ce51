"""Create the peers' tables and keys; run by the benchmark in a process of the peers. Print the keys of the packages, if
asked."""

from __future__ import annotations

import json
import sys

from benchmarks.peers.site import apps
from benchmarks.peers.views import make

tokens = json.load(sys.stdin)
if apps:
    from django.core.management import call_command

    from benchmarks.peers import packages

    call_command("migrate", verbosity=0)
    print(json.dumps(packages.make(len(tokens))))
else:
    make(tokens)
