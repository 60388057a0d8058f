"""Kinds of fault. Each is a function (server, rng) that attacks a running server and returns the number of faults.

It passes measurements to `server.note` and failures to `server.report_finding`, and raises NotDone if this machine
cannot produce the fault.
"""

import random
from collections.abc import Callable

from attack.faults import bodies, clock, connections, cuts, databases, disk, files, floods, kills, texts
from attack.server import Server

PHASES: dict[str, Callable[[Server, random.Random], int]] = {
    "calm": connections.stay_calm,
    "half_sent": connections.send_halves,
    "idle": connections.hold_idle,
    "large_bodies": bodies.send_large_bodies,
    "slow_readers": connections.read_slowly,
    "floods": floods.send_floods,
    "hostile_texts": texts.judge_hostile_texts,
    "cuts": cuts.cut_connections,
    "task_kills": kills.kill_tasks,
    "hostile_files": files.upload_hostile_files,
    "worker_kills": kills.kill_workers,
    "server_kills": kills.kill_all,
    "parent_kills": kills.kill_parent,
    "renderer_kills": kills.kill_renderers,
    "backends_ended": databases.end_backends,
    "database_restarts": databases.restart,
    "clock": clock.step_clock,
    "full_disk": disk.fill_disk,
}
