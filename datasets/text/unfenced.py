"""Code and JSON that a text contains outside of code fences: Markdown would drop their indentation.

Detection is cautious: prose, verse, lists and formulas stay Markdown. Only what is shown changes, never a stored text.
"""

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

MOST_CHARACTERS = 300  # of a line that are looked at
MIN_CODE_SHARE = 0.7  # of the lines of a part that look like code
MIN_SURE_SHARE = 0.4  # of the lines that look like nothing else

# What begins a line of code, or is all of it.
SURE = re.compile(
    r"""(?:async\s+)?def\s+\w+.*:$ | class\s+\w+.*[:{]$ | @\w[\w.]*(?:\(.*)?$
    | (?:if|elif|for|while|with|except|match|case|switch)\b.*[:{]$ | (?:else|try|finally|do)\s*[:{]$
    | from\s+[\w.]+\s+import\b | import\s+[\w.{}*,\s]+(?:\s+(?:as|from)\s+\S+)?;?$
    | (?:return|raise|yield|assert|await)\b(?:.*[^.!?]|)$ | (?:pass|break|continue|end|fi|done|esac)\s*;?$
    | (?:public|private|protected|static|export|const|let|var|fn|func|function|struct|enum|namespace|using|local)
      \s+\w.*[;{(=]
    | \#(?:include|define|ifdef|ifndef|endif|pragma)\b
    | (?:SELECT|FROM|WHERE|INSERT\s+INTO|DELETE\s+FROM|CREATE\s+TABLE|(?:LEFT\s+|INNER\s+)?JOIN|GROUP\s+BY|ORDER\s+BY)\s
    | </?[A-Za-z][\w-]*(?:\s[^<>]*)?/?> | <!(?:--|DOCTYPE)
    | [\w.:]+\(.*\)\s*[;,{:]?$ | [}\])]+\s*[;,)]*$ | .*[)\w\s>]\{$
    | (?:[A-Za-z_][\w.]*(?:\[[^\]]*\])?(?:\s*,\s*|\s+\*?|\s*:\s*)){0,3}[A-Za-z_][\w.]*(?:\[[^\]]*\])?
      \s*(?:[-+*/|&%:]?=)(?!=)\s*\S
    | ["'][\w\s.-]+["']\s*:\s*\S | [\w-]+\s*:\s*[^;]+;$ | [^;]*[=()\[\]{}"][^;]*;$""",
    re.VERBOSE,
)
COMMENT = re.compile(r"#\s?[^#\s]|//|/\*|\*/")
CODE_CHARACTER = re.compile(r"[=(){}\[\];<>:]|->|\"\"\"|'''")
# Items, rows of tables and quotes are Markdown, even where they contain code.
MARKDOWN = re.compile(r"(?:[-*+•]|\d+[.)])\s|\||>\s")
FORMULA = re.compile(r"\\\[|\\\(|\$\$|\\begin\{")


class Part(NamedTuple):
    """Lines without a blank one among them: lines[start:end]."""

    start: int
    end: int


def wrap_unfenced_code(text: str) -> str:
    """The text with fences around what is JSON as a whole, or reads as indented code.

    >>> wrap_unfenced_code('{"a": 1}')
    '~~~json\\n{"a": 1}\\n~~~'
    >>> wrap_unfenced_code("So:\\n\\nif a:\\n    b = 1")
    'So:\\n\\n~~~\\nif a:\\n    b = 1\\n~~~'
    >>> wrap_unfenced_code("Roses are red,\\n  violets are blue.")
    'Roses are red,\\n  violets are blue.'
    """
    if is_json(text):
        return wrap_code(text.strip("\r\n"), "json")
    if ("\n " not in text and "\n\t" not in text) or "```" in text or "~~~" in text:
        return text
    lines = text.split("\n")
    pieces: list[str] = []
    done = 0
    for start, end in find_code(lines):
        pieces += [*lines[done:start], wrap_code("\n".join(lines[start:end]))]
        done = end
    return "\n".join([*pieces, *lines[done:]])


def wrap_code(code: str, language: str = "") -> str:
    """The code between fences that it does not contain."""
    longest = max(map(len, re.findall("~+", code)), default=0)
    fence = "~" * max(3, longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"


def is_json(text: str) -> bool:
    """Whether the text is one JSON object or array."""
    text = text.strip()
    if text[:1] + text[-1:] not in ("{}", "[]"):
        return False
    try:
        json.loads(text, parse_int=len, parse_float=len)  # a number of any length
    except (ValueError, RecursionError):
        return False
    return True


def find_code(lines: Sequence[str]) -> list[Part]:
    """The parts that read as code, joined with whole parts beside them that read as more of it."""
    parts = split_parts(lines)
    code = [strip_prose(lines, part) for part in parts]
    texts = [lines[part.start : part.end] for part in parts]
    for n, part in enumerate(parts[1:], 1):
        previous = code[n - 1]
        if previous and previous.end == parts[n - 1].end:
            code[n] = extend_code(texts[n], part) or code[n]
    for n, part in reversed([*enumerate(parts[:-1])]):
        following = code[n + 1]
        if following and following.start == parts[n + 1].start and all(map(is_surely_code, texts[n])):
            code[n] = part
        elif not following and not any(map(is_code_itself, texts[n])):
            code[n] = None  # a headline after code, not a comment within it
    found: list[Part] = []
    for n, piece in enumerate(code):
        previous = code[n - 1] if n else None
        if piece and previous and previous.end == parts[n - 1].end and piece.start == parts[n].start:
            found[-1] = Part(found[-1].start, piece.end)
        elif piece:
            found.append(piece)
    return found


def split_parts(lines: Sequence[str]) -> list[Part]:
    """The parts of a text, between its blank lines."""
    parts: list[Part] = []
    start = None
    for number, line in enumerate([*lines, ""]):
        if line.strip() and start is None:
            start = number
        elif not line.strip() and start is not None:
            parts.append(Part(start, number))
            start = None
    return parts


def strip_prose(lines: Sequence[str], part: Part) -> Part | None:
    """The code of a part, without prose before and after it; None if it has none."""
    start, end = part
    while start < end and (is_indented(lines[start]) or not is_likely_code(lines[start])):
        start += 1
    while start < end and not (is_indented(lines[end - 1]) or is_likely_code(lines[end - 1])):
        end -= 1
    inner = lines[start:end]
    if len(inner) < 2 or not any(map(is_indented, inner)) or any(map(FORMULA.search, inner)):
        return None
    sure = sum(map(is_surely_code, inner))
    likely = sum(map(is_likely_code, inner))
    if sure < max(2, MIN_SURE_SHARE * len(inner)) or likely < MIN_CODE_SHARE * len(inner):
        return None
    return Part(start, end)


def extend_code(part: Sequence[str], place: Part) -> Part | None:
    """The lines of a part after code that belong to it: indented ones, comments, and what reads as code.

    They are the whole part, or begin with an indented line.
    """
    many = next((n for n, line in enumerate(part) if not (is_code_itself(line) or COMMENT.match(line))), len(part))
    if any(MARKDOWN.match(line.lstrip()) for line in part[:many]) or (many < len(part) and not is_indented(part[0])):
        return None
    return Part(place.start, place.start + many)


def is_code_itself(line: str) -> bool:
    return is_indented(line) or is_surely_code(line)


def is_indented(line: str) -> bool:
    return line.startswith(("  ", "\t"))


def is_surely_code(line: str) -> bool:
    line = line[:MOST_CHARACTERS].strip()
    return bool(SURE.match(line)) and not MARKDOWN.match(line)


def is_likely_code(line: str) -> bool:
    """Whether a line looks like code, or is indented and contains characters of code."""
    inner = line[:MOST_CHARACTERS].strip()
    if MARKDOWN.match(inner):
        return False
    return bool(SURE.match(inner) or COMMENT.match(inner) or (is_indented(line) and CODE_CHARACTER.search(inner)))
