"""Telling text that has come into a loop: the same words over and over, until nothing more is allowed.

It is how language models fail where the likeliest next word is always taken (Holtzman et al., 2020, "The Curious Case
of Neural Text Degeneration"). Such a text says nothing about what was seen, whatever stands beside it.
"""

from __future__ import annotations

import zlib

STRETCH = 400
"""Bytes of UTF-8 that are looked at together, from the text's end on; shorter texts are not told."""
NEW = 0.1
"""The share of a stretch's bytes up to which it brings nothing new.

On the texts of `benchmarks/instructions.py` the loops of real answers take 0.03, where they count along up to 0.08; of
captions long enough half take 0.45 and more, and those under 0.15 are eight loops and a few long lists of people.
"""


def is_loop(text: str) -> bool:
    """Whether a stretch of the text, after what stands before it, compresses to a tenth.

    Blank space does not count. Found is what is said again for a stretch at the end, or for two stretches elsewhere,
    word for word, or, where that is long, with a number that counts along. Takes a pass of zlib over the text.
    """
    told = " ".join(text.split()).encode("utf-8", "surrogatepass")
    if len(told) <= STRETCH:
        return False
    first = len(told) % STRETCH or STRETCH
    stretches = [told[:first], *(told[place : place + STRETCH] for place in range(first, len(told), STRETCH))]
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    _, *new = [len(packer.compress(stretch) + packer.flush(zlib.Z_SYNC_FLUSH)) for stretch in stretches]
    return min(new) <= NEW * STRETCH
