"""The encoding of text files: marks that editors put in front, and encodings that are not read."""

import codecs

_SAMPLE_BYTES = 1024
_FEWEST = 4  # characters that tell text from numbers
_PRINTABLE = frozenset((*b"\t\n\v\f\r", *range(0x20, 0x7F)))


def without_mark(data: bytes) -> bytes:
    """`data` without the byte order mark that some programs put before UTF-8."""
    return data.removeprefix(codecs.BOM_UTF8)


def is_wide_text(data: bytes) -> bool:
    """Whether `data` are text in UTF-16 or UTF-32, with or without a byte order mark.

    What stands in mesh files is nearly all ASCII, of which these encodings pad each character
    with one NUL or three.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        return True
    sample = data[:_SAMPLE_BYTES]
    for width in (2, 4):
        columns = [sample[place::width] for place in range(width)]
        for text, *padding in (columns, columns[::-1]):
            is_text = len(text) >= _FEWEST and _PRINTABLE.issuperset(text)
            if is_text and not any(b"".join(padding)):
                return True
    return False
