"""What does one run of a program cost? Runs it as a small parent, whose own memory does not show in the child's.

usage: launch.py REPORT STDOUT STDERR SECONDS WORD...

REPORT gets a JSON object: ``status`` (negative: the signal that ended it), ``wall`` and ``cpu`` in seconds, ``rss`` in
bytes. The program is killed after SECONDS. Imports little: Linux counts the memory of the process before exec into the
peak of the one after it (getrusage(2), ru_maxrss).
"""

import json
import os
import signal
import sys
import time


def main() -> None:
    """Run the program and write the report."""
    report, stdout, stderr, seconds, *words = sys.argv[1:]
    write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, stdout, write, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, stderr, write, 0o600),
    ]
    began = time.monotonic()
    child = os.posix_spawnp(words[0], words, os.environ, file_actions=actions)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, float(seconds))
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - began
    signal.setitimer(signal.ITIMER_REAL, 0)
    cost = {
        "status": os.waitstatus_to_exitcode(status),
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "rss": usage.ru_maxrss * 1024,
    }
    with open(report, "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib alone is a fifth of this program
        json.dump(cost, file)


main()
