"""How many requests a client may send in a while. Each process counts for itself."""

import threading
import time


class RateLimit:
    """A limit on the requests of each client per second, on average over some seconds."""

    def __init__(self, per_second: float, seconds: float) -> None:
        self.per_second, self.most = per_second, per_second * seconds
        self.guard = threading.Lock()
        self.counts: dict[str, tuple[float, float]] = {}  # {client: (requests that still count, when)}

    def count(self, client: str) -> float:
        """Counts a request and returns 0; if there were too many, the seconds after which another may come."""
        with self.guard:
            now = time.monotonic()
            before, at = self.counts.get(client, (0.0, now))
            standing = max(0.0, before - (now - at) * self.per_second) + 1
            if standing > self.most:
                return (standing - self.most) / self.per_second
            self.counts[client] = standing, now
            return 0.0
