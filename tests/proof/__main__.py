"""Run the proofs in two halves at once: ``python -m tests.proof [options of pytest]``.

Owns how they are halved. Each half has databases of its own, and both together take two cores.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

FOLDER: Final = Path(__file__).parent
SECOND_HALF: Final = (FOLDER / "servers", FOLDER / "verification")
_PACKAGES: Final = [file.parent for file in sorted(FOLDER.glob("*/__init__.py"))]
FIRST_HALF: Final = (
    *sorted(FOLDER.glob("test_*.py")),
    *(folder for folder in _PACKAGES if folder not in SECOND_HALF),
)


def main(options: list[str]) -> int:
    """Run both halves, show what each has said when it is over, and return the worse status."""
    runs = []
    for half in (FIRST_HALF, SECOND_HALF):
        output = TemporaryFile()  # noqa: SIM115 - closed when the process ends
        paths = [str(path) for path in half]
        command = [sys.executable, "-m", "pytest", *options, *paths]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        runs.append((process, output))
    statuses = []
    for process, output in runs:
        statuses.append(process.wait())
        output.seek(0)
        sys.stdout.buffer.write(output.read())
        sys.stdout.flush()
    return max(statuses, key=abs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
