"""What a run of the benchmarks is asked for, and the deliveries that it measures on, each written once."""

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import Done, Job, run
from benchmarks.records import Written, write_sources
from benchmarks.shapes import SHAPES

PEERS_AT_MOST = 2_000  # records: the peers must end


@dataclass(slots=True)
class Options:
    """`records` of the ratios, `sizes` of growth and memory, `peer_records` of the row-by-row peers."""

    folder: Path
    records: int = 20_000
    sizes: tuple[int, ...] = (10_000, 40_000)
    peer_records: int = PEERS_AT_MOST
    rounds: int = 3
    seed: int = 1
    _written: dict[tuple[int, bool], Written] = field(default_factory=dict)

    def delivery(self, count: int, *, is_changed: bool = False) -> Written:
        """Return a delivery of this many records in every shape, or the same with 1 % changed."""
        if (count, is_changed) not in self._written:
            folder = self.folder / f"{count}{'-changed' if is_changed else ''}"
            self._written[count, is_changed] = write_sources(folder, count, seed=self.seed, is_changed=is_changed)
        return self._written[count, is_changed]

    def do(self, work: str, delivery: Written, *, batch_size: int = 50, workers: int = 1) -> Done:
        """Return what a child process did with a delivery."""
        return run(Job(work, str(delivery.folder), tuple(SHAPES), batch_size, workers))
