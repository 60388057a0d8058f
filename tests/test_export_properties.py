"""For any texts, judgments and filters, each file contains the majority's choices and accounts for the rest."""

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotate.models import Membership, User
from datasets.exports.export import Export
from datasets.exports.selection import EVERY, FIRST, MAJORITY, ONLY, SOFT, UNFLAGGED, UNPAUSED, VOTES, Filters
from datasets.models import Choice, Comparison, Judgment, Response
from tests.test_export import LABELS, PREFERENCES, SFT, TABLES, parse_line, parse_rows, reconcile

pytestmark = pytest.mark.django_db

PEOPLE = ("ann", "bob", "cid", "dan")
PAUSED = "cid"  # the only one with an account
REVIEWER = "rev"
DAYS = (*PEOPLE, REVIEWER)
TAGS = ("x", "y")
PAIRS = list(itertools.combinations(range(4), 2))
VOTES_COUNTED = {"votes_chosen", "votes_total"}


def get_day(number):
    return datetime(2026, 3, number, tzinfo=UTC)


anything = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=9)
texts = (st.text("ab \n", min_size=1, max_size=4) | anything).filter(str.strip)
prompts = st.fixed_dictionaries(
    {"instruction": texts, "responses": st.lists(texts, min_size=2, max_size=4, unique=True)},
    optional={
        "system": anything,
        "input": anything,
        "history": st.lists(st.tuples(texts, texts), max_size=2),
        "tags": st.lists(st.sampled_from(TAGS), max_size=2),
    },
)
stated = st.sampled_from([*["left", "right"] * 3, "tie", "both_bad"])
acts = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 1, 2]),  # index of the prompt
        st.sampled_from([(0, 1)] * 6 + PAIRS),
        st.sampled_from(PEOPLE),
        stated,
        st.integers(1, 3),
        st.none() | stated,  # by the criterion `style`
        st.booleans(),  # whether the first answer is on the left
    ),
    min_size=4,
    max_size=14,
    unique_by=lambda act: act[:3],
)
decisions = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1]),
        st.sampled_from([(0, 1)] * 4 + PAIRS),
        st.just(REVIEWER),
        st.sampled_from(["left", "right", "tie", "both_bad"]),
        st.integers(1, 3),
        st.none() | stated,
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda act: act[:2],
)
flags = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(PAIRS)), max_size=1)
filters = st.builds(
    Filters,
    mode=st.sampled_from([MAJORITY, EVERY, SOFT]),
    min_agreement=st.sampled_from([0.0, 0.0, 0.0, 0.5, 0.6, 1.0]),
    annotators=st.sampled_from([(), (), (), PEOPLE[:3], (*PEOPLE[1:2], REVIEWER)]),
    since=st.sampled_from([None, None, None, get_day(2)]),
    until=st.sampled_from([None, None, None, get_day(4)]),
    min_strength=st.sampled_from([1, 1, 1, 2, 3]),
    criterion=st.sampled_from(["", "", "style"]),
    min_votes=st.sampled_from([1, 1, 1, 2, 3]),
    tags=st.sampled_from([(), (), (), TAGS[:1], TAGS]),
    flags=st.sampled_from(["", UNFLAGGED]),
    paused=st.sampled_from(["", "", UNPAUSED]),
    balanced=st.booleans(),
    decisions=st.sampled_from([FIRST, FIRST, ONLY, VOTES]),
)


@dataclass(frozen=True)
class Statement:
    """One person's statement about two answers by a criterion, as the test remembers it.

    said: (chosen, rejected) texts.
    """

    prompt: int
    pair: frozenset
    who: str
    said: tuple
    strength: int


class World:
    """A dataset of these prompts and acts, and the test's own record of them."""

    def __init__(self, make_dataset, slug, rows, acts, flags, decisions):
        self.rows = [row | {"instruction": f"{row['instruction']} {n}"} for n, row in enumerate(rows)]
        self.dataset = make_dataset(self.rows, slug=slug)
        self.prompts = list(self.dataset.prompts.order_by("pk"))
        self.account, _ = User.objects.get_or_create(username=PAUSED)
        Membership.objects.create(user=self.account, dataset=self.dataset, paused_at=get_day(1))
        self.said, self.flagged, self.acts, self.decided = defaultdict(list), set(), [], []
        for number, pair in flags:
            if found := self.find_comparison(number, pair):
                self.flagged.add((number, pair))
                self.create_judgment(*found, "dan", "", state=Judgment.State.SKIPPED, flag="leak")
        for act in acts:
            self.act(*act)
        for act in decisions:
            self.act(*act)

    def find_comparison(self, number, pair):
        """(the comparison, its two answers), if they exist."""
        if number >= len(self.rows) or max(pair) >= len(self.rows[number]["responses"]):
            return None
        prompt, texts = self.prompts[number], [self.rows[number]["responses"][place] for place in pair]
        answers = [Response.objects.get(prompt=prompt, text=text) for text in texts]
        key = Comparison.build_key([answer.pk for answer in answers])
        made, _ = Comparison.objects.get_or_create(key=key, defaults={"dataset": self.dataset, "prompt": prompt})
        return made, answers

    def create_judgment(self, comparison, answers, who, verdict, **known):
        order, at = [answer.pk for answer in answers], get_day(1 + DAYS.index(who))
        by = {"annotator": self.account} if who == PAUSED else {"imported_by": who}
        known = {"state": Judgment.State.SAVED, "decided_at": at, **by, **known}
        return Judgment.objects.create(
            comparison=comparison, dataset=self.dataset, order=order, verdict=verdict, **known
        )

    def act(self, number, pair, who, verdict, strength, style, first_left):
        found = self.find_comparison(number, pair)
        if found is None or ((number, pair) in self.flagged and who == "dan"):
            return
        comparison, answers = found[0], found[1] if first_left else found[1][::-1]
        said = {"criteria": {"style": {"verdict": [style]}}} if style else {}
        decides = who == REVIEWER
        if decides:
            Comparison.objects.filter(pk=comparison.pk).update(review=Comparison.Review.DECIDED)
        purpose = Judgment.Purpose.DECISION if decides else Judgment.Purpose.VOTE
        judgment = self.create_judgment(comparison, answers, who, verdict, said=said, purpose=purpose)
        (self.decided if decides else self.acts).append((number, pair, who))
        for criterion, verdict_by in (("", verdict), ("style", style)):
            self.create_choice(judgment, answers, criterion, verdict_by, strength, (number, pair, who))

    def create_choice(self, judgment, answers, criterion, verdict, strength, act):
        if verdict not in ("left", "right", "tie"):
            return
        chosen, rejected = answers if verdict != "right" else answers[::-1]
        strength = 0 if verdict == "tie" else strength
        Choice.objects.create(
            judgment=judgment, chosen=chosen, rejected=rejected, strength=strength, criterion=criterion
        )
        number, pair, who = act
        self.said[criterion].append(Statement(number, frozenset(pair), who, (chosen.text, rejected.text), strength))

    def is_asked(self, filters, number, pair, who):
        """Whether an act passes the filters on prompts, people, pauses, dates and flags."""
        at, tags = get_day(1 + DAYS.index(who)), self.rows[number].get("tags", [])
        return not (
            (filters.tags and set(tags).isdisjoint(filters.tags))
            or (filters.annotators and who not in filters.annotators)
            or (filters.paused and who == PAUSED)
            or (filters.since and at < filters.since)
            or (filters.until and at >= filters.until)
            or (filters.flags and (number, tuple(sorted(pair))) in self.flagged)
        )

    def compute_pairs(self, filters):
        """[(prompt, chosen, rejected, times, strength, votes)] expected in the export, before any balance."""
        of_pairs, found = defaultdict(list), []
        decided = {(n, frozenset(pair)) for n, pair, who in self.decided if self.is_asked(filters, n, pair, who)}
        for one in self.said[filters.criterion]:
            if one.who == REVIEWER and filters.decisions == VOTES:
                continue
            gives_way = filters.decisions == ONLY or (one.prompt, one.pair) in decided
            if one.who != REVIEWER and filters.decisions != VOTES and gives_way:
                continue
            strong = one.strength == 0 or one.strength >= filters.min_strength
            if strong and self.is_asked(filters, one.prompt, one.pair, one.who):
                of_pairs[one.prompt, one.pair].append(one)
        for (number, _), votes in of_pairs.items():
            if len(votes) < filters.min_votes and votes[0].who != REVIEWER:
                continue
            decided = [one for one in votes if one.strength]
            if filters.mode == EVERY:
                found += [(number, *one.said, 1, one.strength, (1, 1)) for one in decided]
                continue
            for side in {one.said for one in decided}:
                for_it = sum(one.said == side for one in decided)
                if for_it * 2 > len(decided) and for_it / len(votes) >= filters.min_agreement:
                    net = sum(one.strength * (1 if one.said == side else -1) for one in decided) / len(votes)
                    found.append((number, *side, for_it, max(0, net), (for_it, len(votes))))
        return found

    def get_turns(self, number):
        """((role, text), …) of a prompt as trainers should see it."""
        row = self.rows[number]
        system = [("system", row["system"])] if row.get("system") else []
        earlier = [turn for pair in row.get("history", []) for turn in zip(("user", "assistant"), pair, strict=True)]
        asked = row["instruction"] + (f"\n{row['input']}" if row.get("input") else "")
        return (*system, *earlier, ("user", asked))


numbers = itertools.count()
# A few of each kind: what goes into a file is chosen by its kind; how a row is written, by its dialect.
some_dialects = st.tuples(
    *(st.lists(st.sampled_from(kind), min_size=2, max_size=2, unique=True) for kind in (PREFERENCES, SFT)),
    *(st.sampled_from(kind).map(lambda name: [name]) for kind in (LABELS, TABLES)),
).map(lambda kinds: [name for kind in kinds for name in kind])
several = {"max_examples": 50, "deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@pytest.mark.long
@settings(**several)
@given(
    rows=st.lists(prompts, min_size=1, max_size=3), acts=acts, flags=flags, filters=filters, decisions=decisions,
    dialects=some_dialects,
)  # fmt: skip
def test_a_file_holds_what_most_people_chose_and_accounts_for_the_rest(
    make_dataset, rows, acts, flags, filters, decisions, dialects
):
    world = World(make_dataset, f"random-{next(numbers)}", rows, acts, flags, decisions)
    purposes = ("vote",) if filters.decisions == VOTES else ("vote", "decision")
    pairs = world.compute_pairs(filters)
    for name in dialects:
        export = Export(world.dataset, name, filters)
        lines = parse_rows(name, b"".join(export.iter_pieces()))
        account = export.build_account()
        assert account["rows"] == len(lines)
        reconcile(account, filters.criterion, purposes)
        assert len({tuple(line) for line in lines}) <= 1
        if name in TABLES:
            acts_asked = [] if filters.decisions == ONLY else world.acts
            acts_asked = acts_asked + (world.decided if filters.decisions != VOTES else [])
            of_all = [act for act in acts_asked if world.is_asked(filters, *act)]
            flagged = [act for act in world.flagged if world.is_asked(filters, *act, "dan")]
            assert len(lines) == len(of_all) + len(flagged) * (filters.decisions != ONLY)
            continue
        soft = filters.mode == SOFT and name in PREFERENCES
        assert {VOTES_COUNTED & set(line) == VOTES_COUNTED for line in lines} <= {soft}
        found, expected = count_rows(lines), count_expected_rows(name, world, pairs, soft)
        if not filters.balanced:
            assert found == expected
        elif name in PREFERENCES:
            assert found <= expected
            signs = Counter((len(row[1]) > len(row[2])) - (len(row[1]) < len(row[2])) for row in found.elements())
            assert signs[1] == signs[-1] or account["left_out"].keys() & {
                "same_answer",
                "needs_history",
                "needs_system",
            }


def count_rows(lines):
    """{row as plain values: count} of a file."""
    counted = Counter()
    for line in lines:
        prompt, answers = parse_line(line)
        besides = [line[key] for key in ("margin", "label") if key in line]
        besides += [(line["votes_chosen"], line["votes_total"])] if "votes_chosen" in line else []
        counted[tuple(prompt), *answers, *besides] += 1
    return counted


def count_expected_rows(name, world, pairs, soft):
    """The same, expected from the people's statements."""
    rows, wanted = Counter(), Counter()
    for number, chosen, rejected, times, strength, votes in pairs:
        turns = world.get_turns(number)
        wanted[turns, chosen] += times
        wanted[turns, rejected] -= times
        if name in PREFERENCES and chosen.strip() != rejected.strip():
            besides = [strength] if name == "reward" else []
            rows[turns, chosen, rejected, *besides, *([votes] if soft else [])] += 1
    if name in SFT:
        rows = Counter({(world.get_turns(number), chosen) for number, chosen, *_ in pairs})
    if name in LABELS:
        rows = Counter((*row, times > 0) for row, times in wanted.items() if times)
    return Counter({row: n for row, n in rows.items() if name not in ("alpaca", "dpo-text") or len(row[0]) == 1})
