"""What every scenario is given."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Context:
    binary: Path
    """The albacore that is measured."""
    rounds: int
    seconds: int
    """Of load in one run."""
    warm_up_seconds: int
    folder: Path
    """For the servers' files. On disk, because access logs are written there."""
