"""Personal data and keys in texts: found by their format, masked by choice.

Each pattern takes time linear in the text: what it repeats is bounded, and it starts only where a word starts.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from typing import TypeAlias

from datasets.formats.rows import Refusal, Response, Row
from datasets.formats.trajectories import build_response

PERSONAL, KEYS = "personal_data", "keys"  # warnings
MASKABLE = (PERSONAL, KEYS)
KEY_PLACEHOLDER = "[KEY]"

# What each key starts with, in lower case, for a search of all of them in one pass.
KEY_STARTS = (
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
    "gsk_",
    "xai-",
    *(f"gh{letter}_" for letter in "pousr"),
    "github_pat_",
    "glpat-",
    "npm_",
    "pypi-",
    "akia",
    "asia",
    "akid",
    "ltai",
    "aiza",
    *(f"xox{letter}-" for letter in "abeoprs"),
    "hf_",
    "private key",
    "eyj",
)
KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[^-]{0,20000}(?:-(?!----)[^-]{0,20000}){0,20}-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?:\s{1,4}[A-Za-z0-9+/=]{16,})*)"
    r"|(?<![A-Za-z0-9_-])(?:"
    r"sk-(?:[A-Za-z0-9]{20,}|(?=[A-Za-z_-]{0,200}[0-9])[A-Za-z0-9_-]{20,})"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|gsk_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9]{20,}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{40,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])|AKID[A-Za-z0-9]{32}(?![A-Za-z0-9])"
    r"|LTAI[A-Za-z0-9]{12,26}(?![A-Za-z0-9])|AIza[A-Za-z0-9_-]{30,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{20,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"
    r")"
)

# An address of e-mail is searched for from its @. The other patterns begin with a plain set of characters and look
# back from there: Python then skips to such a character ten times as fast.
LOCAL_PART = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}\Z")
DOMAIN = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])")
NO_DOMAINS = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp")  # icon@2x.png
NO_PERSON = ("git", "noreply", "no-reply")
MOBILE = re.compile(
    r"[+018](?<![0-9A-Za-z.+-][+018])(?:(?<=\+)86[ -]?1|(?<=0)086[ -]?1|(?<=8)6[ -]?1|(?<=1))[3-9][0-9]"
    r"[ -]?[0-9]{4}[ -]?[0-9]{4}(?![0-9A-Za-z]|\.[0-9])"
)
INTERNATIONAL = re.compile(r"\+(?<![0-9A-Za-z+]\+)[1-9](?:[ \-.()/]{0,2}[0-9]){7,14}(?![0-9A-Za-z])")
DATE = re.compile(r"\+(?:19|20)[0-9]{2}([-/.])[0-9]{1,2}\1")  # an added line of a diff
ID_NUMBER = re.compile(
    r"[1-9](?<![0-9A-Za-z][1-9])[0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]"
    r"(?![0-9A-Za-z])"
)
CARD = re.compile(
    r"[2-6](?<![0-9A-Za-z.][2-6])[0-9]{3}(?:[0-9]{9,15}|([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3}(?![0-9]))?"
    r"|([ -])[0-9]{6}\2[0-9]{5})(?![0-9A-Za-z]|\.[0-9])"
)
CARD_LENGTHS = (  # (prefix, lengths)
    (re.compile("4"), (13, 16, 19)),
    (re.compile("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    (re.compile("3[47]"), (15,)),
    (re.compile("35|6011|64[4-9]|65"), (16,)),
    (re.compile("62"), (16, 17, 18, 19)),
)
IBAN_START = re.compile(r"[A-Z](?<![0-9A-Za-z][A-Z])[A-Z][0-9]{2}(?= ?[A-Z0-9])")
# Country and length of an IBAN, from the registry of SWIFT.
IBANS = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18
FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20
LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31
SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
"""
IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in IBANS.split()}
ADDRESS = re.compile(
    r"[0-9](?<![0-9A-Za-z./_-][0-9])(?<![Vv]ersion [0-9])(?<!版本[0-9])(?<!版本 [0-9])[0-9]{0,2}"
    r"(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z_-]|\.[0-9])"
)
# Which patterns of numbers can match shows in the bytes of a text, with each digit as 0 and without separators: a test
# that takes a microsecond.
DIGITS_AS_0 = bytes.maketrans(b"123456789", b"000000000")
SEPARATORS = b" -.()/"
SIX, NINE, ELEVEN, PLUS = b"0" * 6, b"0" * 9, b"0" * 11, b"+00000000"
DIGITS, DOTS = b"0123456789", b"..."  # without its digits an address is three dots

Span: TypeAlias = tuple[int, int]  # start and end in a text
Finder: TypeAlias = tuple[str, Callable[[str], Iterator[Span]]]


def has_keys(text: str) -> bool:
    """Whether a text contains a key: an API key, an access token, a private key.

    >>> has_keys("export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyz"), has_keys("hf_hub_download")
    (True, False)
    """
    return KEY.search(text) is not None


def has_personal_data(text: str) -> bool:
    """Whether a text contains personal data by its format.

    >>> has_personal_data("Call 138 0013 8000."), has_personal_data("Add 13800138000000.")
    (True, False)
    """
    return any(True for _ in iter_personal_data(text))


def iter_personal_data(text: str) -> Iterator[Span]:
    """Where the personal data of a text is, kind by kind."""
    for _, find in list_finders(text):
        yield from find(text)


def find_first(text: str, kind: str) -> Span | None:
    """Where the first key or the first piece of personal data of a text is; None without one.

    kind: PERSONAL or KEYS.

    >>> find_first("To ann@example.com", PERSONAL)
    (3, 18)
    """
    if kind == KEYS:
        found = KEY.search(text)
        return found.span() if found else None
    return min(iter_personal_data(text), default=None)


def list_finders(text: str) -> list[Finder]:
    """(placeholder, function that finds it) of the kinds of personal data that a text may contain, in order of masking.

    >>> [placeholder for placeholder, _ in list_finders("ann@example.com, 138 0013 8000")]
    ['[EMAIL]', '[IBAN]', '[ID]', '[CARD]', '[PHONE]']
    """
    finders: list[Finder] = [("[EMAIL]", find_emails)] if "@" in text else []
    data = text.encode()
    digits = data.translate(DIGITS_AS_0, SEPARATORS)
    if SIX not in digits:
        return finders
    if NINE in digits:
        finders.append(("[IBAN]", find_ibans))
    if ELEVEN in digits:
        finders += [("[ID]", find_id_numbers), ("[CARD]", find_cards)]
    if ELEVEN in digits or PLUS in digits:
        finders.append(("[PHONE]", find_phones))
    if DOTS in data.translate(None, DIGITS):
        finders.append(("[IP]", find_addresses))
    return finders


def find_emails(text: str) -> Iterator[Span]:
    """Addresses of e-mail, but no names of pictures and no addresses of machines."""
    at = text.find("@")
    while at >= 0:
        local, domain = LOCAL_PART.search(text, max(0, at - 65), at), DOMAIN.match(text, at + 1)
        if local and domain and local[0].lower() not in NO_PERSON and not domain[0].lower().endswith(NO_DOMAINS):
            yield local.start(), domain.end()
        at = text.find("@", at + 1)


def find_ibans(text: str) -> Iterator[Span]:
    """IBANs with the length of their country and valid check digits."""
    for start in IBAN_START.finditer(text):
        length = IBAN_LENGTHS.get(start[0][:2])
        rest = compile_iban_rest(length).match(text, start.end()) if length else None
        if rest and is_iban(f"{start[0]}{rest[0]}".replace(" ", "")):
            yield start.start(), rest.end()


@lru_cache
def compile_iban_rest(length: int) -> re.Pattern[str]:
    """The pattern of an IBAN of this length, after its first four characters."""
    return re.compile(rf"(?: ?[A-Z0-9]){{{length - 4}}}(?![0-9A-Za-z])")


def is_iban(number: str) -> bool:
    """Whether the check digits of an IBAN without blanks are right (ISO 7064, mod 97-10)."""
    return int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1


def find_id_numbers(text: str) -> Iterator[Span]:
    """Chinese identity numbers with a valid check digit."""
    return (found.span() for found in ID_NUMBER.finditer(text) if is_id_number(found[0]))


def is_id_number(number: str) -> bool:
    """Whether the check digit of an identity number is right (GB 11643: ISO 7064, mod 11-2)."""
    total = sum(int(digit) * pow(2, 17 - n, 11) for n, digit in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17].upper()


def find_cards(text: str) -> Iterator[Span]:
    """Numbers of payment cards with the prefix and length of an issuer and a valid check digit."""
    return (found.span() for found in CARD.finditer(text) if is_card(re.sub("[ -]", "", found[0])))


def is_card(number: str) -> bool:
    """Whether digits are the number of a payment card: its prefix, its length and Luhn's check digit."""
    if not any(prefix.match(number) and len(number) in lengths for prefix, lengths in CARD_LENGTHS):
        return False
    doubled = [int(digit) * (1 + n % 2) for n, digit in enumerate(reversed(number))]
    return sum(digit - 9 if digit > 9 else digit for digit in doubled) % 10 == 0


def find_phones(text: str) -> Iterator[Span]:
    """Chinese mobile numbers, and international numbers from their +; not other runs of digits."""
    mobiles = [found.span() for found in MOBILE.finditer(text)]
    starts = {start for start, _ in mobiles}
    others = [found.span() for found in INTERNATIONAL.finditer(text) if is_phone(found[0])]
    yield from sorted(mobiles + [span for span in others if span[0] not in starts])


def is_phone(number: str) -> bool:
    """Whether a number with a + may be a telephone's: no date, no round number, eleven digits in North America."""
    digits = re.sub("[^0-9]", "", number)
    if DATE.match(number) or "000000" in digits:
        return False
    return not digits.startswith("1") or (len(digits) == 11 and digits[1] >= "2")


def find_addresses(text: str) -> Iterator[Span]:
    """Public IPv4 addresses; two of their numbers have two digits at least, so that sections of a text are none."""
    for found in ADDRESS.finditer(text):
        numbers = found[0].split(".")
        if sum(len(number) > 1 for number in numbers) >= 2 and is_public(found[0]):
            yield found.span()


def is_public(address: str) -> bool:
    """Whether an IPv4 address is valid and reachable from everywhere."""
    try:
        return ipaddress.IPv4Address(address).is_global
    except ValueError:
        return False


def parse_mask(words: Iterable[str]) -> frozenset[str]:
    """What comma-separated texts name to mask; everything for `all`.

    Raises ValueError with the unknown names.

    >>> sorted(parse_mask(["keys, personal_data"]))
    ['keys', 'personal_data']
    """
    named = {word.strip() for text in words for word in text.split(",") if word.strip()}
    if unknown := sorted(named - {*MASKABLE, "all"}):
        raise ValueError(", ".join(unknown))
    return frozenset(MASKABLE if "all" in named else named)


def mask_text(text: str, kinds: Collection[str]) -> str:
    """The text with a placeholder for each key and each piece of personal data.

    kinds: PERSONAL, KEYS or both.

    >>> mask_text("Write to ann@example.com or call +49 30 1234567.", {PERSONAL})
    'Write to [EMAIL] or call [PHONE].'
    """
    if KEYS in kinds:
        text = KEY.sub(KEY_PLACEHOLDER, text)
    if PERSONAL in kinds:
        for placeholder, find in list_finders(text):
            text = mask_spans(text, list(find(text)), placeholder)
    return text


def mask_spans(text: str, spans: Iterable[Span], placeholder: str) -> str:
    """The text with a placeholder for each span; spans are in order, those that overlap an earlier one are skipped."""
    pieces: list[str] = []
    last = 0
    for start, end in spans:
        if start >= last:
            pieces += (text[last:start], placeholder)
            last = end
    return "".join([*pieces, text[last:]])


def mask_row(row: Row, kinds: Collection[str]) -> Row:
    """The row with its prompt and its responses masked; the same object if there is nothing to mask.

    kinds: as in mask_text.

    Raises Refusal if two answers of a vote become equal.

    >>> from datasets.formats.rows import DEMONSTRATION, Prompt, Response
    >>> mask_row(Row(Prompt("Mail?"), (Response("ann@example.com"),), DEMONSTRATION), {PERSONAL}).responses[0].text
    '[EMAIL]'
    """
    instruction, given, system, turns = row.prompt
    prompt = row.prompt._replace(
        instruction=mask_text(instruction, kinds),
        input=mask_text(given, kinds),
        system=mask_text(system, kinds),
        turns=tuple((role, mask_text(text, kinds)) for role, text in turns),
    )
    responses = tuple(mask_response(response, kinds) for response in row.responses)
    if (prompt, responses) == (row.prompt, row.responses):
        return row
    if any(responses[one].text == responses[other].text for one, other in (vote.pair for vote in row.votes)):
        raise Refusal("same_answer", "mask")
    return row._replace(prompt=prompt, responses=responses)


def mask_response(response: Response, kinds: Collection[str]) -> Response:
    """The response with its text masked, or each of its turns.

    >>> from datasets.formats.rows import Response
    >>> mask_response(Response("Write to ann@example.com"), {PERSONAL}).text
    'Write to [EMAIL]'
    """
    if response.turns:
        return build_response([(role, mask_text(text, kinds)) for role, text in response.turns], response.source)
    return response._replace(text=mask_text(response.text, kinds))
