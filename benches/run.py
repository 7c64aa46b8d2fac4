"""Measures the server against what it could be at best, in one run on one machine, and prints ratios.

A number alone says little on a machine that others use too; so each measurement has a partner that is taken in
turns with it, and what counts is how many times slower (or faster) we are.

usage: PYTHONPATH=tests .deps/venv/bin/python benches/run.py [caches] [passthrough] [OPTION…]; `--help` lists them

A release build is measured if there is one, else the debug build, and the output says which.
"""

import argparse
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import caches
import passthrough
from harness.postgres import Postgres
from harness.sim import Sim
from measure import Report, choose_build, make_source, start_server

PARTS = ("passthrough", "caches")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure: {', '.join(PARTS)}; all if none is named")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--tables", type=int, default=1_000)
    parser.add_argument("--catalog", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--megabytes", type=int, default=600, help="size of the result whose memory is measured")
    parser.add_argument("--readers", type=int, nargs="+", default=[1, 4, 16], help="how many read it at once")
    # What `cargo bench` would be given.
    arguments, _ = parser.parse_known_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    parts = arguments.parts or PARTS
    build, began = choose_build(), time.monotonic()
    load = os.getloadavg()[0]
    print(f"{build} build, {arguments.catalog} catalog, {os.cpu_count()} cores, load {load:.1f} at the start\n")
    with ExitStack() as children:
        work = Path(children.enter_context(tempfile.TemporaryDirectory(prefix="ducksync-bench-")))
        (work / "sim").mkdir()
        sim = Sim(work / "sim")
        children.callback(sim.stop)
        make_source(sim, arguments.rows)
        report = Report()
        if "passthrough" in parts:
            server = start_server(work / "passthrough", "sqlite:ducksync.db", sim, children)
            passthrough.measure(report, sim, server, arguments.rows, arguments.megabytes, arguments.readers)
            server.kill()
        if "caches" in parts:
            url = "sqlite:ducksync.db"
            if arguments.catalog == "postgres":
                url = children.enter_context(Postgres()).create_database()
            server = start_server(work / "caches", url, sim, children)
            caches.measure(report, server, arguments.rows, arguments.tables, work, children)
    print(f"\n{time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
