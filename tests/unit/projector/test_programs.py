"""What a command of the projector prints, to whom."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
from slipway_projector.programs import say

say("first")
input()
say("second")
open({done!r}, "w").write("done")
"""


def test_a_command_whose_output_nobody_reads_any_more_does_its_work_to_the_end(tmp_path: Path) -> None:
    done = tmp_path / "done"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(done=str(done))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == "first\n"

    process.stdout.close()
    process.stdin.write("\n")
    process.stdin.close()

    assert (process.wait(20), process.stderr.read()) == (0, "")
    process.stderr.close()
    assert done.read_text() == "done"
