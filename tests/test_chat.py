"""Chat: a person says something, judges two answers, and goes on; everything lands on the spine."""

import json
import re
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models import F
from django.test import Client
from django.utils import timezone

from annotate.judging.record import record, undo
from annotate.models import Membership, User
from annotate.pauses import pause
from annotate.queue.lease import lease_next
from datasets.comparisons.generate import set_overlap
from datasets.formats import rows
from datasets.jobs import worker
from datasets.judgments.progress import count_progress
from datasets.models import Change, Choice, Comparison, Dataset, Import, Job, Judgment, Prompt, Rating, Response
from datasets.prompts.editing import EditedAnswer, save_prompt
from datasets.text.fingerprints import fingerprint_prompt
from optimize import prompt_answers, tasks
from optimize.chat import deletion, talks
from optimize.chat.deletion import delete_expired
from optimize.management.commands.load_demo import create_bot
from optimize.models import Chat, ChatSettings, Generation, Turn
from optimize.versions import save_version
from optimize.wire import demo_bot
from optimize.wire.client import Completion, RequestFailed
from tests.conftest import build_rows

pytestmark = pytest.mark.django_db(transaction=True)
BEACH = "我想去一个有海滩的地方度假。"
TRAVEL = "/chat/travel/"


class Bots:
    """Answers in place of servers. answers: {model id: texts or failures, one a request; the last one repeats}."""

    def __init__(self):
        self.answers, self.requests = {}, []

    def complete(self, target, request):
        self.requests.append(request)
        queue = self.answers.setdefault(request["model"], [])
        number = sum(1 for other in self.requests if other["model"] == request["model"])
        answer = queue[min(number, len(queue)) - 1] if queue else f"{request['model']} {number}"
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer, finish="stop")


@pytest.fixture
def bots(monkeypatch):
    bots = Bots()
    monkeypatch.setattr(prompt_answers, "get_client", lambda: bots)
    monkeypatch.setattr(prompt_answers, "LONGEST_PAUSE_S", 0)
    return bots


@pytest.fixture(autouse=True)
def _no_idling(monkeypatch):
    monkeypatch.setattr(worker, "IDLE", 0)


@pytest.fixture
def travel(make_dataset, alice, bob):
    """A dataset with a chat of the demo's bot, open to alice and bob."""
    return make_chat(make_dataset)


def make_chat(make_dataset, *names, **settings):
    dataset = make_dataset([{"prompt": "Somewhere?"}], slug="travel", question=settings.pop("question", "pair"))
    create_bot(dataset)
    ChatSettings.objects.filter(dataset=dataset).update(**{"show_names": False, **settings})
    for name in names:
        save_version(name, f"http://127.0.0.1:1/{name}", name)
    if names:
        ChatSettings.objects.filter(dataset=dataset).update(names=list(names))
    return Dataset.objects.get(pk=dataset.pk)


def answer_all():
    worker.work_until_idle()


class Person:
    """A person at the chat page, without JavaScript."""

    def __init__(self, user, path=TRAVEL):
        self.client, self.path = Client(), path
        self.client.force_login(user)
        self.page = ""
        self.look()

    def look(self, query=""):
        return self.keep(self.client.get(self.path + query, follow=True))

    def keep(self, response):
        self.status = response.status_code
        self.page = response.content.decode()
        return self.page

    def find(self, name):
        return re.search(rf'name="{name}" value="([^"]*)"', self.page).group(1)

    def say(self, text, answered=True):
        form = {"key": self.find("key"), "number": self.find("number"), "text": text}
        self.keep(self.client.post(self.path, form, follow=True))
        if answered:
            answer_all()
            self.look()
        return form

    def judge(self, verdict, **fields):
        form = {"judgment": self.find("judgment"), "revision": self.find("revision"), "verdict": verdict, **fields}
        self.keep(self.client.post(f"{self.path}judge/", form, follow=True))
        return form

    def go_on(self, **fields):
        form = {"turn": self.find("turn"), **fields}
        if 'name="revision"' in self.page:
            form["revision"] = self.find("revision")
        self.keep(self.client.post(f"{self.path}go-on/", form, follow=True))
        return form

    @property
    def answers(self):
        found = re.findall(r'data-response="(?:left|right)">(.*?)</div>', self.page, re.DOTALL)
        return [re.sub("<[^>]*>", "", text).strip() for text in found]


def get_turn():
    return Turn.objects.select_related("prompt", "comparison", "judgment", "chosen").order_by("-pk").first()


def test_a_dataset_without_a_chat_has_no_such_page(make_dataset, alice, client):
    make_dataset(build_rows(1), slug="travel")
    client.force_login(alice)
    for path in (TRAVEL, f"{TRAVEL}chats/"):
        assert client.get(path).status_code == 404
    assert client.post(TRAVEL, {"text": "Hello"}).status_code == 404
    assert "Chat" not in client.get("/").content.decode()


def test_say_something_choose_and_go_on(travel, alice):
    person = Person(alice)
    assert "data-say" in person.page
    assert "Do not enter personal data" in person.page
    person.say(BEACH, answered=False)
    assert "data-waiting" in person.page
    assert not re.search("data-say|data-comparison", person.page)
    answer_all()
    person.look()
    assert len(set(person.answers)) == 2
    turn = get_turn()
    assert turn.judgment.state == Judgment.State.EXPIRED  # as a practice judgment: it takes no place in the queue
    order = [Response.objects.get(pk=pk).text for pk in turn.judgment.order]
    assert person.answers == order
    assert "travel-bot" not in person.page
    person.judge("left")
    assert "data-say" in person.page
    assert order[0] in person.page
    assert order[1] not in person.page
    choice = Choice.objects.get()
    assert (choice.chosen.text, choice.rejected.text, choice.strength) == (order[0], order[1], 1)
    assert Membership.objects.get(user=alice).judged == 1
    person.say("什么时候去？")
    turn = get_turn()
    assert turn.prompt.turns == [["user", BEACH], ["assistant", order[0]]]
    assert turn.prompt.instruction == "什么时候去？"
    person.judge("right")
    assert Choice.objects.count() == 2
    assert Generation.objects.filter(state="done").count() == 4
    assert Comparison.objects.filter(held="chat", open_slots=0, wanted=1).count() == 2


def test_the_model_sees_the_chosen_path_on_both_sides(bots, make_dataset, alice):
    make_chat(make_dataset, "one", "two")
    person = Person(alice)
    person.say("Hello")
    chosen = person.answers[1]
    person.judge("right")
    person.say("And then?")
    for request in bots.requests[2:]:
        assert request["messages"] == [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": chosen},
            {"role": "user", "content": "And then?"},
        ]
    assert {request["model"] for request in bots.requests[2:]} == {"one", "two"}
    assert set(Response.objects.values_list("source", flat=True)) == {"one@1", "two@1"}


def test_every_turn_exports_as_a_pair_with_its_history(travel, alice, run_command, tmp_path):
    person = Person(alice)
    for said in (BEACH, "什么时候去？", "便宜吗？"):
        person.say(said)
        person.judge("left")
    path = tmp_path / "dpo.jsonl"
    _, summary, _ = run_command("export_dataset", "travel", "--format", "dpo", "--output", str(path))
    assert summary["rows"] == 3
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [len(line["prompt"]) for line in lines] == [1, 3, 5]
    assert lines[2]["prompt"][3]["content"] == lines[1]["chosen"][0]["content"]


def test_after_a_tie_the_left_answer_goes_on_and_the_page_says_so(travel, alice):
    person = Person(alice)
    person.say(BEACH)
    left, right = person.answers
    person.judge("tie")
    assert "continues with answer A" in person.page
    assert left in person.page
    assert right not in person.page
    assert Choice.objects.get().strength == 0
    person.say("什么时候去？")
    assert get_turn().prompt.turns[1] == ["assistant", left]


def test_after_both_bad_a_better_answer_is_preferred_to_both(travel, alice):
    person = Person(alice)
    person.say(BEACH)
    bad = person.answers
    person.judge("both_bad")
    assert "data-better" in person.page
    assert "data-say" not in person.page
    seconds = Judgment.objects.get().seconds
    form = person.go_on(text="去海南。\r\n或者青岛。")
    assert "data-say" in person.page
    better = Response.objects.get(source=Response.REPAIR)
    assert better.text == "去海南。\n或者青岛。"
    assert {(choice.chosen.text, choice.rejected.text) for choice in Choice.objects.all()} == {
        (better.text, bad[0]),
        (better.text, bad[1]),
    }
    judgment = Judgment.objects.get()
    assert (judgment.verdict, judgment.state, judgment.seconds) == ("both_bad", "saved", seconds)
    person.client.post(f"{TRAVEL}go-on/", form)  # sent twice
    assert Response.objects.filter(source=Response.REPAIR).count() == 1
    person.say("什么时候去？")
    assert get_turn().prompt.turns[1] == ["assistant", better.text]


def test_after_both_bad_the_models_are_asked_again(travel, alice):
    person = Person(alice)
    person.say(BEACH)
    bad = set(person.answers)
    person.judge("both_bad")
    form = person.go_on(again="1")
    assert "data-waiting" in person.page
    person.client.post(f"{TRAVEL}go-on/", form)  # sent twice
    answer_all()
    person.look()
    assert len({*person.answers, *bad}) == 4
    person.judge("left")
    assert Choice.objects.count() == 1
    assert Judgment.objects.filter(verdict="both_bad", state="saved").count() == 1
    assert Turn.objects.count() == 1


def test_a_better_answer_has_to_be_written(travel, alice):
    person = Person(alice)
    person.say(BEACH)
    person.judge("both_bad")
    person.go_on(text="  ")
    assert person.status == 422
    assert "data-better" in person.page
    assert Response.objects.filter(source=Response.REPAIR).count() == 0


@pytest.mark.parametrize("failures", [1, 2])
def test_a_side_that_fails_is_tried_again_and_never_judged(bots, failures, make_dataset, alice):
    make_chat(make_dataset, "good", "bad")
    why = RequestFailed("server_error", "out of memory", may_retry=True)
    bots.answers["bad"] = [why] * 3 * failures + ["At last."]
    person = Person(alice)
    person.say("Hello")
    for _ in range(failures):
        assert "data-failed" in person.page
        assert not re.search("data-say|data-comparison|data-response", person.page)
        assert "out of memory" not in person.page  # a server's words are for admins
        person.go_on(again="1")
        answer_all()
        person.look()
    assert "At last." in person.answers
    assert Judgment.objects.count() == 1
    assert sum(request["model"] == "good" for request in bots.requests) == 1  # it had answered


def test_a_failure_that_passes_is_not_seen(bots, make_dataset, alice):
    make_chat(make_dataset, "one", "two")
    bots.answers["two"] = [RequestFailed("rate_limited", may_retry=True, retry_after=0), "Well."]
    person = Person(alice)
    person.say("Hello")
    assert "Well." in person.answers


def test_what_is_sent_twice_changes_nothing(travel, alice):
    person = Person(alice)
    form = person.say(BEACH)
    again = person.client.post(TRAVEL, form)
    assert again.status_code == 302
    verdict = person.judge("left")
    person.client.post(f"{TRAVEL}judge/", {**verdict, "verdict": "right"})  # from a second tab
    person.client.post(TRAVEL, form)  # back, and sent again
    assert (Chat.objects.count(), Turn.objects.count(), Judgment.objects.count()) == (1, 1, 1)
    assert Judgment.objects.get().verdict == "left"
    assert Job.objects.filter(kind=talks.KIND).count() == 1


def test_other_words_from_an_old_page_are_kept_but_not_said(travel, alice):
    person = Person(alice)
    form = person.say(BEACH)
    person.judge("left")
    person.keep(person.client.post(TRAVEL, {**form, "text": "我想去山上。"}))
    assert person.status == 422
    assert "我想去山上。</textarea>" in person.page
    assert Turn.objects.count() == 1
    person.look("?new")
    late = {"key": form["key"], "number": "3", "text": "Too early"}
    person.keep(person.client.post(TRAVEL, late))
    assert (person.status, Turn.objects.count()) == (422, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "Write something"), (" \n", "Write something"), ("a\0b", "cannot be stored"), ("a" * 20_001, "too long")],
)
def test_a_message_that_cannot_be_stored_is_refused(text, words, travel, alice):
    person = Person(alice)
    person.say(text, answered=False)
    assert (person.status, Turn.objects.count(), Chat.objects.count()) == (422, 0, 0)
    assert words in person.page


def test_the_same_words_again_are_the_same_prompt_with_other_answers(travel, alice):
    person = Person(alice)
    person.say(BEACH)
    first = set(person.answers)
    person.judge("left")
    person.look("?new")
    person.say(BEACH)
    assert not first & set(person.answers)
    assert Prompt.objects.filter(instruction=BEACH).count() == 1
    assert Chat.objects.count() == 2


def test_answers_that_were_judged_before_are_shown_with_their_verdict(bots, make_dataset, alice):
    make_chat(make_dataset, "one", "two")
    bots.answers = {"one": ["Yes."], "two": ["No."]}
    person = Person(alice)
    person.say("Hello")
    chosen = person.answers[1]
    person.judge("right")
    person.look("?new")
    person.say("Hello")
    assert len(bots.requests) == 2 + 4  # asked again twice
    assert "You judged these answers before" in person.page
    assert chosen in person.page
    assert "data-say" in person.page
    assert (Judgment.objects.count(), Choice.objects.count()) == (1, 1)
    assert get_turn().judgment == Judgment.objects.get()


def test_the_same_answer_twice_is_not_judged(bots, make_dataset, alice):
    make_chat(make_dataset, "one", "two")
    bots.answers = {"one": ["Yes."], "two": ["Yes."]}
    person = Person(alice)
    person.say("Hello")
    assert len(bots.requests) == 6
    assert "nothing to choose" in person.page
    assert "data-say" in person.page
    assert (Comparison.objects.count(), Judgment.objects.count()) == (0, 0)
    person.say("And?")
    assert get_turn().prompt.turns == [["user", "Hello"], ["assistant", "Yes."]]


def test_another_person_at_the_same_answers_is_no_surplus(travel, alice, bob):
    for person in (Person(alice), Person(bob)):
        person.say(BEACH)
        person.judge("left")
    comparison = Comparison.objects.get()
    assert (comparison.wanted, comparison.open_slots) == (2, 0)
    assert not Judgment.objects.filter(surplus=True).exists()
    assert Generation.objects.count() == 2  # the second person's answers were there


def test_two_tabs_with_the_same_words(travel, alice):
    person = Person(alice)
    one = person.say(BEACH)
    person.look("?new")
    other = person.say(BEACH)
    assert one["key"] != other["key"]
    assert Judgment.objects.count() == 1
    person.judge("left")
    person.look(f"?chat={one['key']}")
    assert "data-say" in person.page  # judged in the other tab
    assert Turn.objects.filter(state="over").count() == 2


def test_the_queue_knows_nothing_of_chats(travel, alice, bob, client):
    person = Person(alice)
    person.say(BEACH)
    total = count_progress(travel)
    assert lease_next(bob, travel) is None
    assert lease_next(alice, travel) is None
    person.judge("left")
    assert count_progress(travel) == total
    assert lease_next(bob, travel) is None
    page = person.client.get("/annotate/travel/").content.decode()
    assert 'form="undo" class="plain" data-keys="KeyU" hidden' in page  # its undo is the chat's
    set_overlap(travel, 3)
    assert Comparison.objects.filter(open_slots=F("wanted") - 1).get().wanted == 1


def test_a_chat_may_go_to_the_queue(make_dataset, alice, bob):
    dataset = make_chat(make_dataset, to_queue=True)
    Dataset.objects.update(overlap=2)
    person = Person(alice)
    person.say(BEACH)
    assert lease_next(bob, dataset) is None
    person.judge("left")
    dataset.refresh_from_db()
    judgment = lease_next(bob, dataset)
    assert judgment.comparison == Comparison.objects.get()
    record(judgment, judgment.revision, "left")
    comparison = Comparison.objects.get()
    assert (comparison.wanted, comparison.open_slots, comparison.held) == (2, 0, "")
    assert lease_next(alice, dataset) is None


def test_a_chat_never_straddles_the_parts_of_a_split(travel, alice):
    person = Person(alice)
    for said in (BEACH, "什么时候去？", "便宜吗？"):
        person.say(said)
        person.judge("left")
    groups = set(Turn.objects.values_list("prompt__group", flat=True))
    assert len(groups) == 1
    assert groups != {""}


def test_undo_opens_the_last_verdict_again(travel, alice):
    person = Person(alice)
    person.say(BEACH)
    left, right = person.answers
    person.judge("left")
    form = {"judgment": person.find("judgment"), "revision": person.find("revision")}
    person.keep(person.client.post(f"{TRAVEL}undo/", form, follow=True))
    assert person.answers == [left, right]
    assert Choice.objects.count() == 1  # it stands until it is replaced
    person.judge("right")
    assert Choice.objects.get().chosen.text == right
    person.say("什么时候去？")
    assert get_turn().prompt.turns[1] == ["assistant", right]
    first = Turn.objects.get(number=1)
    form = {"judgment": first.judgment_id, "revision": first.judgment.revision}
    person.client.post(f"{TRAVEL}undo/", form)
    assert Turn.objects.get(number=1).state == "over"  # the chat went on from it


def test_a_skip_states_nothing_and_the_chat_goes_on(travel, alice):
    person = Person(alice)
    person.say(BEACH)
    left = person.answers[0]
    person.judge("skip")
    assert "data-say" in person.page
    assert left in person.page
    assert (Choice.objects.count(), Judgment.objects.get().state) == (0, "skipped")


def test_one_answer_at_a_time_is_given_stars(make_dataset, alice):
    make_chat(make_dataset, answers=1)
    person = Person(alice)
    person.say(BEACH)
    assert len(person.answers) == 1
    assert 'value="rate"' in person.page
    person.judge("rate")
    assert person.status == 422  # stars are missing
    assert len(person.answers) == 1
    person.judge("rate", stars_left="4")
    assert "data-say" in person.page
    assert Rating.objects.get().stars == 4
    assert Choice.objects.count() == 0


@pytest.mark.parametrize(
    ("question", "fields", "side"),
    [
        ("scale", {"verdict": "right2"}, 1),
        ("stars", {"verdict": "rate", "stars_left": "2", "stars_right": "5"}, 1),
        ("stars", {"verdict": "rate", "stars_left": "3", "stars_right": "3"}, 0),
    ],
)
def test_other_questions(question, fields, side, make_dataset, alice):
    make_chat(make_dataset, question=question)
    person = Person(alice)
    person.say(BEACH)
    chosen = person.answers[side]
    person.judge(**fields)
    assert get_turn().chosen.text == chosen


def test_nobody_chats_who_may_not_judge(travel, alice, bob, client):
    person = Person(alice)
    pause(alice, travel)
    person.say(BEACH, answered=False)
    assert (person.status, Turn.objects.count()) == (422, 0)
    assert "You are paused" in person.page
    Dataset.objects.update(state="closed")
    person = Person(bob)
    person.say(BEACH, answered=False)
    assert (person.status, Turn.objects.count()) == (422, 0)


def test_a_chat_is_its_persons_own(travel, alice, bob):
    person, other = Person(alice), Person(bob)
    person.say(BEACH)
    key = Chat.objects.get().key
    assert other.client.get(f"{TRAVEL}?chat={key}").status_code == 404
    form = {"judgment": person.find("judgment"), "revision": "0", "verdict": "left"}
    other.client.post(f"{TRAVEL}judge/", form)
    other.client.post(f"{TRAVEL}go-on/", {"turn": Turn.objects.get().pk, "again": "1"})
    other.client.post(f"{TRAVEL}chats/", {"key": key, "act": "delete"})
    assert Judgment.objects.get().state == "expired"
    assert Chat.objects.count() == 1


@pytest.mark.parametrize("show_names", [True, False])
def test_names_are_shown_after_the_chat_if_the_dataset_allows_it(show_names, make_dataset, alice):
    make_chat(make_dataset, show_names=show_names)
    person = Person(alice)
    person.say(BEACH)
    person.judge("left")
    assert "travel-bot" not in person.page
    person.keep(person.client.post(f"{TRAVEL}chats/", {"key": person.find("key"), "act": "end"}, follow=True))
    assert "This chat is over." in person.page
    assert ("travel-bot@1" in person.page) == show_names
    assert "data-say" not in person.page
    person.look()
    assert BEACH not in person.page  # an empty chat


def test_a_deleted_chat_leaves_nothing(travel, alice, bob):
    person, other = Person(alice), Person(bob)
    person.say("I like mountains")
    person.judge("left")
    person.say("When is the best season?")
    person.judge("tie")
    other.say(BEACH)
    other.judge("left")
    key = Chat.objects.get(user=alice).key
    person.keep(person.client.post(f"{TRAVEL}chats/", {"key": key, "act": "delete"}, follow=True))
    assert "Chat deleted." in person.page
    assert set(Prompt.objects.values_list("instruction", flat=True)) == {"Somewhere?", BEACH}
    assert Judgment.objects.get().annotator == bob
    assert Membership.objects.get(user=alice).judged == 0
    assert set(Turn.objects.values_list("chat__user", flat=True)) == {bob.pk}


def test_what_others_said_too_stays_when_a_chat_is_deleted(travel, alice, bob):
    for person in (Person(alice), Person(bob)):
        person.say(BEACH)
        person.judge("left")
    person.client.post(f"{TRAVEL}chats/", {"key": Chat.objects.get(user=bob).key, "act": "delete"})
    assert Judgment.objects.get().annotator == alice
    comparison = Comparison.objects.get()
    assert (comparison.wanted, comparison.open_slots) == (1, 0)


def test_chats_are_kept_as_long_as_the_dataset_says(make_dataset, alice):
    make_chat(make_dataset, keep_days=30)
    person = Person(alice)
    assert "deleted 30 days after" in person.page
    person.say(BEACH)
    Chat.objects.update(changed_at=timezone.now() - timedelta(days=29))
    assert delete_expired() == 0
    Chat.objects.update(changed_at=timezone.now() - timedelta(days=31))
    Job.objects.update(finished_at=timezone.now() - timedelta(days=31))
    assert delete_expired() == 1
    assert not Prompt.objects.filter(instruction=BEACH).exists()
    assert Job.objects.count() == 0


def test_a_task_that_dies_leaves_a_turn_that_can_be_tried_again(travel, alice, monkeypatch):
    def fail(*_):
        raise RuntimeError

    person = Person(alice)
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "answer_turn", fail)
        person.say(BEACH)
    assert "data-failed" in person.page
    person.go_on(again="1")
    answer_all()
    person.look()
    assert len(person.answers) == 2


def test_the_page_polls_and_is_told_when_the_answers_are_there(travel, alice):
    person = Person(alice)
    person.say(BEACH, answered=False)
    address = re.search(r'hx-get="([^"]*)"', person.page).group(1)
    answer = person.client.get(address, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.content, "HX-Refresh" in answer) == (204, b"", False)
    answer_all()
    answer = person.client.get(address, headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Refresh"]) == (204, "true")


def test_what_a_model_says_is_shown_safely(bots, make_dataset, alice):
    make_chat(make_dataset, "one", "two")
    bots.answers = {"one": ["<script>alert(1)</script> **bold**"], "two": ["<img src=x onerror=alert(1)>"]}
    person = Person(alice)
    person.say("<script>alert(2)</script>")
    assert "<script>alert" not in person.page
    assert "<img" not in person.page
    person.judge("left")
    assert "<script>alert" not in person.page


def test_the_settings_by_command_and_page(make_dataset, admin, client, run_command):
    dataset = make_chat(make_dataset, "one", "two")
    client.force_login(admin)
    status, summary, _ = run_command("set_dataset", "travel", "--chat", "one", "travel-bot@1", "--chat-days", "7")
    assert (status, summary["chat"]) == (0, ["one", "travel-bot@1"])
    page = client.get("/datasets/travel/chat/").content.decode()
    assert re.search(r'value="travel-bot@1"[^>]* checked', page)
    assert 'value="7"' in page
    form = {"names": ["two"], "answers": "1", "show_names": "on", "keep_days": ""}
    assert client.post("/datasets/travel/chat/", form).status_code == 302
    stored = ChatSettings.objects.get()
    assert (stored.names, stored.answers, stored.show_names, stored.keep_days) == (["two"], 1, True, None)
    assert client.post("/datasets/travel/chat/", {**form, "names": ["nobody"]}).status_code == 422
    assert run_command("set_dataset", "travel", "--chat", "nobody")[0] == 2
    assert run_command("set_dataset", "travel", "--chat")[1]["chat"] == []
    dataset.refresh_from_db()
    assert not dataset.has_chat
    assert client.get(TRAVEL).status_code == 404


def test_a_model_that_is_gone_is_said(bots, make_dataset, alice):
    make_chat(make_dataset, "one")
    ChatSettings.objects.update(names=["gone"])
    person = Person(alice)
    person.say("Hello", answered=False)
    assert person.status == 422
    assert "The model of this chat no longer exists" in person.page


@pytest.mark.parametrize(
    ("said", "pattern"),
    [
        (BEACH, "[一-龥]"),
        ("I want a beach", "^[A-Za-z',. ]*$"),
        ("山", "[一-龥]"),
        ("Hm", "[?.]$"),
        ("城市", "城|京|西安|上海|广州"),
    ],
)
def test_the_demo_bot_gives_different_answers_in_the_language_of_the_question(said, pattern):
    messages = [{"role": "user", "content": said}]
    answers = [demo_bot.answer({"messages": messages, "seed": seed}) for seed in (1, 2)]
    assert len(set(answers)) == 2
    assert all(re.search(pattern, answer) for answer in answers)


def test_the_demo_has_a_bot_that_answers_within_the_first_minute(db, client):
    call_command("load_demo")
    assert Generation.objects.count() == 0
    assert not Response.objects.filter(source__startswith="travel-bot").exists()
    client.force_login(User.objects.get(username="alice"))
    assert "/chat/travel/" in client.get("/").content.decode()
    before = count_choices()
    form = {"key": "k", "number": "1", "text": BEACH}
    client.post(TRAVEL, form)
    answer_all()
    texts = {response.text for response in Response.objects.filter(source="travel-bot@1")}
    assert "你可以考虑去夏威夷或马尔代夫。" in texts
    assert len(texts) == 2
    judgment = Judgment.objects.get(state="expired")
    client.post(f"{TRAVEL}judge/", {"judgment": judgment.pk, "revision": judgment.revision, "verdict": "left"})
    assert count_choices() == before + 1


def count_choices():
    return Choice.objects.of_votes().count()


# --- what a deletion leaves -------------------------------------------------------------------------------------------


def delete(person, user):
    person.client.post(f"{TRAVEL}chats/", {"key": Chat.objects.filter(user=user).latest("pk").key, "act": "delete"})


def test_a_prompt_that_was_there_before_stays(travel, alice):
    prompt = save_prompt(travel, rows.Prompt("Hello"), [EditedAnswer("Hi."), EditedAnswer("Good day.")])
    person = Person(alice)
    person.say("Hello")
    person.judge("left")
    delete(person, alice)
    assert Prompt.objects.get(instruction="Hello") == prompt
    assert Comparison.objects.filter(prompt=prompt, open_slots=1, held="").count() == 1
    assert Judgment.objects.count() == 0


def test_the_last_chat_with_the_same_words_takes_the_prompt_along(travel, alice, bob):
    people = {user: Person(user) for user in (alice, bob)}
    for person in people.values():
        person.say(BEACH)
        person.judge("left")
    for user, person in people.items():
        delete(person, user)
    assert not Prompt.objects.filter(instruction=BEACH).exists()
    assert Judgment.objects.count() == 0


@pytest.mark.parametrize("judged", [True, False])
def test_the_queue_gets_the_slot_of_a_deleted_chat_back(judged, make_dataset, alice, bob):
    dataset = make_chat(make_dataset, to_queue=True)
    Dataset.objects.update(overlap=2)
    dataset.refresh_from_db()
    other, person = Person(bob), Person(alice)
    other.say(BEACH)
    other.judge("left")
    person.say(BEACH)
    if judged:
        person.judge("right")
    delete(person, alice)
    comparison = Comparison.objects.get()
    assert (comparison.wanted, comparison.open_slots, comparison.judgments.count()) == (2, 1, 1)


def test_all_that_a_person_said_and_wrote_goes(make_dataset, alice, bob):
    make_chat(make_dataset, to_queue=True)
    person, other = Person(alice), Person(bob)
    person.say(BEACH)
    person.judge("both_bad")
    person.go_on(again="1")
    answer_all()
    person.look()
    person.judge("both_bad")
    person.go_on(text="A better one of Alice.")
    other.say(BEACH)
    delete(person, alice)
    assert not Judgment.objects.filter(annotator=alice).exists()
    assert not Response.objects.filter(text="A better one of Alice.").exists()
    assert Prompt.objects.filter(instruction=BEACH).exists()  # bob said the same


def test_a_chat_that_cannot_be_deleted_does_not_keep_the_others(make_dataset, alice, monkeypatch):
    make_chat(make_dataset, keep_days=1)
    for said in ("One", "Two"):
        person = Person(alice, TRAVEL)
        person.look("?new")
        person.say(said)
    Chat.objects.update(changed_at=timezone.now() - timedelta(days=2))
    first = Chat.objects.earliest("pk")
    real = deletion.delete_chat

    def delete_some(chat):
        if chat == first:
            raise RuntimeError
        real(chat)

    monkeypatch.setattr(deletion, "delete_chat", delete_some)
    assert deletion.delete_expired() == 1
    assert Chat.objects.get() == first


# --- others and the queue ---------------------------------------------------------------------------------------------


def test_nobody_else_reads_what_was_said(make_dataset, alice, bob, run_command):
    dataset = make_chat(make_dataset)
    Dataset.objects.update(repair_round=True)
    dataset.refresh_from_db()
    person = Person(alice)
    person.say("A secret")
    person.judge("both_bad")
    assert lease_next(bob, dataset) is None  # no round of repairs
    run_command("generate", "travel", "--model", "travel-bot", "--n", "9")
    assert not Comparison.objects.filter(prompt__instruction="A secret", held="").exists()
    assert Comparison.objects.filter(prompt__instruction="Somewhere?").exists()


def test_only_a_verdict_opens_a_chat_to_the_queue(make_dataset, alice, bob, charlie, admin):
    dataset = make_chat(make_dataset, to_queue=True)
    people = [Person(user) for user in (alice, bob, charlie)]
    for person in people:
        person.say(BEACH)
    people[0].judge("skip")
    assert lease_next(admin, dataset) is None
    people[1].judge("left")
    comparison = Comparison.objects.get()
    assert (comparison.wanted, comparison.open_slots, comparison.held) == (1, 0, "")
    people[2].judge("left")
    comparison.refresh_from_db()
    assert (comparison.wanted - comparison.open_slots, comparison.judgments.filter(state="saved").count()) == (2, 2)


def test_a_verdict_that_is_changed_elsewhere_changes_the_path(make_dataset, alice):
    make_chat(make_dataset, to_queue=True)
    person = Person(alice)
    person.say(BEACH)
    left, right = person.answers
    person.judge("left")
    judgment = Judgment.objects.get()
    undo(judgment, judgment.revision)
    judgment.refresh_from_db()
    record(judgment, judgment.revision, "right")
    person.look()
    assert right in person.page
    assert left not in person.page
    person.say("什么时候去？")
    assert get_turn().prompt.turns[1] == ["assistant", right]


def test_words_of_a_file_that_is_being_stored_wait(travel, alice):
    run = Import.objects.create(slug="travel", dataset=travel, state="storing")
    fingerprint = fingerprint_prompt(rows.Prompt(BEACH))
    Prompt.objects.create(dataset=travel, instruction=BEACH, fingerprint=fingerprint, imported=run, group="x")
    person = Person(alice)
    person.say(BEACH, answered=False)
    assert (person.status, Turn.objects.count()) == (422, 0)
    assert "A file with this text is being imported" in person.page


def test_a_person_waits_for_three_messages_at_most(travel, alice):
    person = Person(alice)
    for number in range(4):
        person.look("?new")
        person.say(f"Message {number}", answered=False)
    assert person.status == 422
    assert "still answering" in person.page
    assert Turn.objects.count() == 3


@pytest.mark.parametrize("n", [2, 3])
def test_answers_of_a_chat_are_compared_once_they_are_generated(n, make_dataset, alice, run_command):
    make_chat(make_dataset, to_queue=True)
    person = Person(alice)
    person.say(BEACH)
    assert not Response.objects.filter(candidate=True).exists()
    summary = run_command("generate", "travel", "--model", "travel-bot", "--n", str(n))[1]
    assert (summary["wanted"], summary["done"]) == (2 * n, 2 * n)  # of "Somewhere?" too
    answers = Response.objects.filter(prompt__instruction=BEACH, candidate=True).count()
    assert answers >= 2
    pairs = answers * (answers - 1) // 2
    assert Comparison.objects.filter(prompt__instruction=BEACH).count() == pairs


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "x", "", "٣", "1" * 30])
def test_numbers_that_are_none(number, travel, alice):
    person = Person(alice)
    form = {"key": "k\0", "number": number, "turn": number, "judgment": number, "revision": number, "text": "Hi"}
    for name in ("", "judge/", "go-on/", "undo/", "chats/"):
        assert person.client.post(TRAVEL + name, form).status_code in (302, 422)
    assert person.client.get(f"{TRAVEL}?chat=%00").status_code in (200, 404)
    assert person.client.get(f"{TRAVEL}chats/?before={number}").status_code == 200


def test_a_text_that_cannot_be_sent_is_kept_on_every_page(travel, alice):
    person = Person(alice)
    form = person.say(BEACH)
    person.keep(person.client.post(TRAVEL, {**form, "text": "Something else"}))
    assert "data-comparison" in person.page
    assert "Something else</textarea>" in person.page
    person.judge("both_bad")
    better = person.go_on(text="Mine")
    person.keep(person.client.post(f"{TRAVEL}go-on/", {**better, "text": "From an old tab"}))
    assert (person.status, "From an old tab</textarea>" in person.page) == (422, True)


def test_changed_settings_are_in_the_log(travel, admin, client):
    client.force_login(admin)
    client.post(
        "/datasets/travel/chat/", {"names": ["travel-bot"], "answers": "2", "show_names": "on", "keep_days": "9"}
    )
    form = {"act": "save", "n": "8", "margin": "0.7", "live_share": "0"}
    client.post("/datasets/travel/policy/", form)
    page = client.get("/datasets/travel/log/").content.decode()
    for text in ("Chat keep_days", "Chat show_names", "Policy n", "Policy margin"):
        assert text in page
    assert Change.objects.filter(what__startswith="chat").count() == 2
