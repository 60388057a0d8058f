"""Kinds of fault. Each is a function (server, rng) that hits a running server and returns how many faults it injected.

What it finds out besides goes to `server.note`, what should not be to `server.find`. Where a kind is not possible on
this machine it raises NotDone.
"""

from attack.faults import bodies, clock, connections, cuts, databases, disk, files, floods, kills, texts

PHASES = {
    "calm": connections.nothing,
    "half_sent": connections.half_sent,
    "idle": connections.idle,
    "large_bodies": bodies.large_bodies,
    "slow_readers": connections.slow_readers,
    "floods": floods.floods,
    "hostile_texts": texts.hostile_texts,
    "cuts": cuts.cut_connections,
    "task_kills": kills.kill_tasks,
    "hostile_files": files.hostile_files,
    "worker_kills": kills.kill_workers,
    "server_kills": kills.kill_all,
    "parent_kills": kills.kill_parent,
    "renderer_kills": kills.kill_renderers,
    "backends_ended": databases.end_backends,
    "database_restarts": databases.restart,
    "clock": clock.step_clock,
    "full_disk": disk.fill_disk,
}
