"""A real server is killed while people judge: acknowledged judgments are saved, and resent forms save once."""

import http.client
import threading
import time
import urllib.error

import pytest

from tests.serving import Person, count_exported, kill, read_fields, running_server


def judge_on(person, acknowledged, sent):
    """Judges until the server is gone; `acknowledged` receives the judgments, `sent` the person's last form."""
    try:
        page = person.get("/annotate/models/")
        while "data-all-done" not in page:
            sent[person] = {**read_fields(page), "verdict": "left"}
            page = person.post("/annotate/models/", sent[person])
            acknowledged.append(sent[person]["judgment"])
    except (OSError, urllib.error.URLError, http.client.HTTPException):
        return


@pytest.mark.long
def test_no_judgment_is_lost_when_every_process_is_killed(demo_place, tmp_path):
    demo_place["START_WORKERS"] = "0"  # background tasks only cost time here
    acknowledged, sent = [], {}
    with running_server(demo_place) as server:
        people = [Person(name, demo_place["PORT"]) for name in ("alice", "bob", "admin")]
        threads = [threading.Thread(target=judge_on, args=(person, acknowledged, sent)) for person in people]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 15:
            time.sleep(0.01)
        kill(server)
        for thread in threads:
            thread.join()
    saved = count_exported(demo_place, tmp_path)
    assert len(acknowledged) <= saved <= len(acknowledged) + len(people)
    with running_server(demo_place):
        for person in people:
            person.post("/annotate/models/", sent[person])
            person.post("/annotate/models/", sent[person])
        # The form in transit is saved now, once.
        judged = set(acknowledged) | {form["judgment"] for form in sent.values()}
        assert count_exported(demo_place, tmp_path) == len(judged)
