"""Kinds of fault. Each is a function (server, rng) that hits a running server and returns how many faults it injected.

What it finds out besides goes to `server.note`, what should not be to `server.report_finding`. Where a kind is not
possible on this machine it raises NotDone.
"""

from attack.faults import bodies, clock, connections, cuts, databases, disk, files, floods, kills, texts

PHASES = {
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
