"""A bot without a model or a network, for the demo: sentences about travel, chosen by keywords and by the seed.

The seeds 1, 2, 3 … take the sentences of a topic in turn, so that two answers with neighbouring seeds differ.
"""

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ADDRESS = "inside:travel-bot"  # in place of the address of a server; no form accepts it
SENTENCES = Path(__file__).parents[2] / "datasets" / "demo" / "travel-bot.json"
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@functools.cache
def load_sentences() -> dict[str, Any]:
    """The bot's sentences: {language: {"topics", "otherwise", "place"}, "places"}."""
    sentences: dict[str, Any] = json.loads(SENTENCES.read_text("utf-8"))
    return sentences


def answer(request: Mapping[str, Any]) -> str:
    """The bot's answer to a request of OpenAI's chat API, in the language of the last message.

    request: `messages`, and the `seed` that chooses among the sentences, from 1.
    """
    sentences = load_sentences()
    said = str(request["messages"][-1]["content"])
    language = sentences["zh" if CHINESE.search(said) else "en"]
    lowered = said.casefold()
    topics = (topic["answers"] for topic in language["topics"] if any(word in lowered for word in topic["words"]))
    answers = next(topics, language["otherwise"])
    sentence: str = answers[(int(request.get("seed", 1)) - 1) % len(answers)]
    place: str = find_place(request["messages"]) or language["place"]
    return sentence.replace("{place}", place)


def find_place(messages: list[dict[str, str]]) -> str:
    """The place that was named last in a talk; "" if none was."""
    for message in reversed(messages):
        found: list[tuple[int, str]] = [(message["content"].find(place), place) for place in load_sentences()["places"]]
        named = [(at, place) for at, place in found if at >= 0]
        if named:
            return min(named)[1]
    return ""
