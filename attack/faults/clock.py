"""Clock steps, with Debian's libfaketime."""

import glob
import os
import random
import time

from attack.faults.second import second_server
from attack.server import NotDone, Server

PLACES = "/usr/lib/*/faketime/libfaketimeMT.so.1"
STEPS = ("-3h", "+0", "+1h", "+0", "-3h", "+1h", "+0")


def step_clock(server: Server, rng: random.Random) -> int:
    """Sets the clock of a second server three hours back, an hour ahead, and back to the right time.

    libfaketime slows the server down and makes some of its sleeping threads fail with EINVAL: waiting times on this
    server are reported separately.
    """
    found = [os.environ.get("FAKETIME_LIB", ""), *glob.glob(PLACES)]
    library = next((path for path in found if path and os.path.exists(path)), None)
    if not library:
        raise NotDone("libfaketime is not installed (apt-get install libfaketime)")
    says = server.folder / f"{server.database}-clock"
    says.write_text("+0")
    faked = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(says), "FAKETIME_CACHE_DURATION": "1"}
    with second_server(server, rng, "clock", None, DONT_FAKE_MONOTONIC="1", **faked):
        for step in STEPS:
            time.sleep(2)
            says.write_text(step)
        time.sleep(2)
    of_clock = "JOIN datasets_dataset d ON d.id = j.dataset_id WHERE d.slug = 'clock'"
    negative = server.run_sql("SELECT count(*) FROM datasets_judgment WHERE seconds < 0")[0][0]
    late = server.run_sql(f"SELECT count(*) FROM datasets_judgment j {of_clock} AND j.surplus")[0][0]
    server.note(negative_seconds=negative, surplus=late)
    if negative:
        server.report_finding(f"{negative} judgments have negative seconds")
    return len(STEPS)
