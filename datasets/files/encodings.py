"""Detects tables in UTF-16, by their byte order mark, and in GB18030, by the frequency of common Chinese characters."""

import codecs

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Nearly every Chinese sentence or header has some of these; text of another encoding decodes to rarer characters.
COMMON = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种"
    "事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第"
    "公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合"
    "回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总"
    "何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听"
    "示答案输出型选择请您您、，。？！：；“”（）《》"
)


def find_encoding(head: bytes) -> tuple[str, str] | None:
    """The codec and error handler of a table in UTF-16 with a byte order mark or in GB18030; None for any other."""
    if head.startswith(UTF16):
        in_json = head[2:4096].lstrip(b" \t\r\n\x00")[:1] in (b"{", b"[")
        return None if in_json else ("utf-16", "surrogatepass")
    in_json = head.lstrip(b" \t\r\n")[:1] in (b"{", b"[")
    return None if in_json or is_utf8(head) or not is_chinese(head) else ("gb18030", "surrogateescape")


def is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def is_chinese(head: bytes) -> bool:
    """Whether the bytes, decoded as GB18030, are Chinese: over a fifth of the non-ASCII characters are common ones."""
    text = codecs.getincrementaldecoder("gb18030")("surrogateescape").decode(head)
    beyond = [char for char in text if char > "\x7f"]
    return sum(char in COMMON for char in beyond) > len(beyond) / 5
