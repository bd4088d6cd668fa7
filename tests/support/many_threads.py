"""Threads that get into each other's way, for tests of what they share."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor


def call_in_threads(function, n):
    """Call a function with the numbers from 0 to n - 1, each in a thread of its own, which take turns as often as they can; raise
    what one of them raises."""
    barrier = threading.Barrier(n)

    def begin_together(i):
        barrier.wait()
        function(i)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(n) as pool:
            calls = [pool.submit(begin_together, i) for i in range(n)]
        for call in calls:
            call.result()
    finally:
        sys.setswitchinterval(interval)
