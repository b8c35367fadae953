"""Token text that is safe and unambiguous to show. Tokens are data, never markup."""

from __future__ import annotations

from typing import Any

_VISIBLE = {" ": "·", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\u00a0": "⍽"}


def _byte_decoder() -> dict[str, int]:
    """GPT-2's printable stand-ins for raw bytes, inverted: character -> byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    table = {chr(b): b for b in printable}
    table.update({chr(256 + i): b for i, b in enumerate(others)})
    return table


_BYTES = _byte_decoder()


def visible(text: str) -> str:
    """``text`` with white space and control characters made visible; an empty token as ``∅``."""
    if not text:
        return "∅"
    shown = (_VISIBLE.get(c, c if c.isprintable() else f"\\u{ord(c):04x}") for c in text)
    return "".join(shown)


def token_text(tokenizer: Any, token_id: int) -> str:
    """The visible text of one token; bytes of a split character as ``\\xC3``.

    Works for byte-level BPE (GPT-2's alphabet) and byte-fallback vocabularies (``<0xC3>``).
    Without a tokenizer the id itself is shown.
    """
    if tokenizer is None:
        return str(token_id)
    decoded = tokenizer.decode([token_id], clean_up_tokenization_spaces=False)
    if "\ufffd" not in decoded:
        piece = _piece(tokenizer, token_id)
        # SentencePiece decoders drop the leading space of a lone token; the piece still has it.
        if piece.startswith("▁") and not decoded.startswith(" "):
            decoded = " " + decoded
        return visible(decoded)
    piece = _piece(tokenizer, token_id)
    if piece.startswith("<0x") and piece.endswith(">"):
        return f"\\x{piece[3:-1].upper()}"
    if piece and all(c in _BYTES for c in piece):
        return _bytes_text(bytes(_BYTES[c] for c in piece))
    return visible(decoded)


def _piece(tokenizer: Any, token_id: int) -> str:
    piece = tokenizer.convert_ids_to_tokens(token_id)
    return piece if isinstance(piece, str) else ""


def _bytes_text(raw: bytes) -> str:
    """Decodes what is whole characters and writes the other bytes as ``\\xC3``."""
    text = raw.decode("utf-8", errors="surrogateescape")
    return "".join(
        f"\\x{ord(c) - 0xDC00:02X}" if 0xDC80 <= ord(c) <= 0xDCFF else visible(c) for c in text
    )
