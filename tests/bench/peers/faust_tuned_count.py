"""The same with the two settings with which it is faster: a producer that waits a moment for more to send, and a buffer that holds
more than it counts in the second for which it sleeps where that is full.
"""

from __future__ import annotations

from bench.peers.faust_count import main

if __name__ == "__main__":
    main(stream_buffer_maxsize=131_072, producer_linger=0.01)
