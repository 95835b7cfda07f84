"""The main job: what `make demo` runs.

Looks for the McGill gait set in ``$KINEFED_DATA/mcgill_gait``, imports it and runs a whole study
of it with default settings. Where it is not there, the study is of simulated people.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

REAL = """\
No recordings found, so this demo uses simulated people. For real ones take the gait recordings of
McGill University's MOTION lab (nine children, MIT licence), which are published in the repository
mcgillmotionlab/biomechzoo on GitHub under "data/sample_study/raw c3d files". Put them below a
folder, say recordings/, as

    recordings/mcgill_gait/raw_c3d/<child>/*.c3d     and     recordings/mcgill_gait/trials.csv

and run:  KINEFED_DATA=recordings make demo
"""


def main() -> int:
    """Import and simulate; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder for the results")
    out: Path = parser.parse_args().out
    source = Path(os.environ.get("KINEFED_DATA", "")) / "mcgill_gait"
    command = [str(Path(sys.executable).parent / "kinefed")]
    if "KINEFED_DATA" not in os.environ or not source.is_dir():
        print(REAL)
        print("Eight simulated people, each the wearer once.", flush=True)
        return subprocess.run(
            [*command, "simulate", "--out", out / "virtual"], check=False
        ).returncode
    data = out / "mcgill-data"
    print("Nine children, each the wearer once: about 10 minutes on 2 cores.", flush=True)
    if not data.exists():
        out.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([*command, "data", "import", "mcgill", source, data], check=False)
        if done.returncode:
            return done.returncode
    study = [*command, "simulate", "--data", data, "--out", out / "mcgill"]
    return subprocess.run(study, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
