# SPDX-License-Identifier: Apache-2.0
"""Many scenarios through both engines; stops at the first that they do not agree on.

    PYTHONPATH=tests python -m differential.run [COUNT] [--first SEED] [--processes N]

A failing capture is made small, written to build/differential/ and shown with the differences; run its seed
again with `1 --first SEED`. Exit code 1 if the engines disagree.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from differential.check import check
from differential.coverage import Coverage
from differential.scenarios import Scenario, scenario
from differential.shrink import shrink

BLOCK = 100
IN_MEMORY = Path("/dev/shm")
FAILURES = Path(__file__).parents[2] / "build" / "differential"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A scenario, made small, and the differences on it."""

    scenario: Scenario
    differences: list[str]

    def write(self, folder: Path) -> Path:
        """The capture, and beside it the settings."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"seed-{self.scenario.seed}{self.scenario.crafted.form.suffix}"
        path.write_bytes(self.scenario.crafted.octets)
        path.with_suffix(".json").write_text(json.dumps(self.scenario.options, indent=2) + "\n")
        return path


def main() -> int:
    given = parse_arguments()
    began = time.monotonic()
    total = Coverage()
    seeds = range(given.first, given.first + given.count)
    blocks = [seeds[at : at + BLOCK] for at in range(0, len(seeds), BLOCK)]
    for outcome in run_blocks(blocks, given.processes):
        if isinstance(outcome, Disagreement):
            show(outcome)
            return 1
        total.merge(outcome)
        if sys.stderr.isatty():
            print(f"\r{total.scenarios:,} of {given.count:,}", end="", file=sys.stderr)
    print(f"both engines agree on seeds {seeds.start} to {seeds.stop - 1} ({time.monotonic() - began:.0f} s)")
    print(total)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("count", nargs="?", type=int, default=1000, help="how many scenarios (default 1000)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (default 0)")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="at once (default 1)")
    return parser.parse_args()


def run_blocks(blocks: list[range], processes: int) -> Iterator[Coverage | Disagreement]:
    """The outcome of each block, as they come. A process that dies ends it: BrokenProcessPool."""
    if processes == 1:
        yield from map(run_block, blocks)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting: set[Future[Coverage | Disagreement]] = set()
        left = iter(blocks)
        try:
            while True:
                more = islice(left, 2 * processes - len(waiting))
                waiting |= {pool.submit(run_block, block) for block in more}
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def run_block(seeds: range) -> Coverage | Disagreement:
    """The scenarios of some seeds: what they met, or the first that fails."""
    coverage = Coverage()
    with TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as name:
        folder = Path(name)
        for seed in seeds:
            made = scenario(seed)
            if found := check(made, folder, coverage):
                small = shrink(made, lambda smaller: bool(check(smaller, folder)))
                return Disagreement(small, check(small, folder) or found)
    return coverage


def show(disagreement: Disagreement) -> None:
    path = disagreement.write(FAILURES)
    print(f"seed {disagreement.scenario.seed}: the engines disagree; {path}")
    print("\n".join(disagreement.differences))
    print(disagreement.scenario.options)
    print(disagreement.scenario.crafted)


if __name__ == "__main__":
    sys.exit(main())
