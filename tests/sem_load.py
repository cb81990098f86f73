# SPDX-License-Identifier: BSD-3-Clause
"""Usage: sem_load.py DAEMON

Processes post natively, while others take through the mount and are interrupted or
killed all the time. The number of posts is the number of takes and the value that is
left. A killed process may have one take that it couldn't count. The posters continue
until enough takers were killed.
"""
import ctypes
import errno
import os
import random
import signal
import sys

import native
from client import MNT, Counters, fork, is_idle, join, until

POSTERS, TAKERS = 4, 3
POSTS = int(os.environ.get("ROUNDS", 100000)) // POSTERS
MOST = 20  # takes in one write
KILLS = 20  # at least
PATH = f"{MNT}/sem/load"
KILLED = TAKERS  # the counter of the taken value

daemon = int(sys.argv[1])
sem = native.sem_open("load", os.O_CREAT | os.O_EXCL)
taken = Counters(TAKERS + 1)
posted = Counters(POSTERS)
enough, stop = Counters(1), Counters(1)


def post(i):
    while posted[i] < POSTS or not enough[0]:
        # The posters pause, so that takers wait.
        until(lambda: native.sem_value(sem) < 5 * MOST)
        native.sem_post(sem)
        posted.add(i, 1)


def take(i, interval):
    """Takes until told to stop, and counts. A signal ends a write, or comes late."""
    fd = os.open(PATH, os.O_WRONLY)
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, interval, interval)
    random.seed(os.getpid())
    while not stop[0]:
        n = random.randint(1, MOST)
        text = b"-%d" % n
        if native.libc.write(fd, text, ctypes.c_size_t(len(text))) < 0:
            assert ctypes.get_errno() == errno.EINTR
        else:
            taken.add(i, n)


posters = [fork(post, i) for i in range(POSTERS)]
takers = [fork(take, i, 0.003 * (i + 1)) for i in range(TAKERS)]
kills = 0
while not all(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) for pid in posters):
    before = taken[KILLED]
    victim = fork(take, KILLED, 0)
    until(lambda: taken[KILLED] > before or native.sem_value(sem) < MOST)
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
    kills += 1
    if kills == KILLS:
        enough.add(0)
join(*posters)
stop.add(0)
join(*takers)
until(is_idle, daemon)
left, counted = native.sem_value(sem), sum(taken)
uncounted = sum(posted) - left - counted
print(f"{counted} taken, {left} left, {uncounted} taken by {kills} that were killed")
assert 0 <= uncounted <= kills * MOST
assert counted > 0
