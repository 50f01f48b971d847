"""The script that supervisord starts for each replica: `python -I -S start.py FOLDER`.

Kept short, for a script is compiled at each start; what it imports is not.
"""

import os
import sys

# An isolated interpreter knows only the standard library; the platform comes after it.
_PACKAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 3)
sys.path.append(os.path.normpath(_PACKAGES))

from slipway_engines.supervisor.launcher.replica_run import main  # noqa: E402 - the line above makes it known

if __name__ == "__main__":
    main(sys.argv[1])
