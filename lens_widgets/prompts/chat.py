"""Conversations as prompts: the tokenizer's chat template written around messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lens_widgets.engine.model import TransformerModel
from lens_widgets.errors import InputError, listed, near, shown
from lens_widgets.prompts.rows import Rows, check_text, prompt_rows

Message = Mapping[str, Any]
Conversation = Sequence[Message]

ROLES = ("system", "user", "assistant", "tool", "developer")
"""Those that templates know; others only where a template names them."""

_EXAMPLE = 'For example messages=[{"role": "user", "content": "Who wrote Emma?"}].'


def are_messages(value: Any) -> bool:
    """Whether this is one conversation or several, rather than text or token ids."""
    if not isinstance(value, (list, tuple)) or not value:
        return False
    first = value[0]
    if isinstance(first, (list, tuple)):
        first = first[0] if first else None
    return isinstance(first, Mapping)


def chat_rows(
    model: TransformerModel, messages: Any, argument: str, prepend_bos: bool | None
) -> Rows:
    """Conversations as rows of tokens, each up to where the assistant begins to answer.

    Args:
        model: whose tokenizer has the template.
        messages: a list of messages, each a dict with ``"role"`` and ``"content"``; or a list of
            such lists, one a prompt.
        argument: what they are called in errors.
        prepend_bos: True puts BOS before a template that writes none; otherwise the template has
            the last word.

    Raises:
        InputError: no chat template; anything that is not a message, by its index and field; what
            the template itself refuses.
    """
    conversations = _conversations(messages, argument)
    tokenizer = model.tokenizer
    if not getattr(tokenizer, "chat_template", None):
        raise InputError(
            f"{argument}: this model's tokenizer has no chat template.",
            "Write the conversation as text, in prompts; or set model.tokenizer.chat_template.",
        )
    several = not isinstance(messages[0], Mapping)
    texts = []
    for index, conversation in enumerate(conversations):
        where = f"{argument}[{index}]" if several else argument
        _check(conversation, where, str(tokenizer.chat_template))
        texts.append(_written(tokenizer, conversation, where))
    rows = prompt_rows(model, texts, argument, bool(prepend_bos))
    written = tuple(
        _template_positions(tokenizer, row, text, [str(m["content"]) for m in conversation])
        for row, text, conversation in zip(rows.ids, texts, conversations, strict=True)
    )
    return Rows(rows.ids, rows.texts, rows.added, rows.notes, written)


def _conversations(messages: Any, argument: str) -> list[Conversation]:
    if not isinstance(messages, (list, tuple)):
        raise InputError(
            f"{argument} is a {type(messages).__name__}, not a list of messages.", _EXAMPLE
        )
    if not messages:
        raise InputError(f"{argument} is an empty list.", _EXAMPLE)
    nested = [isinstance(item, (list, tuple)) for item in messages]
    if not any(nested):
        return [messages]
    if not all(nested):
        index = nested.index(False)
        raise InputError(
            f"{argument}[{index}] is {shown(messages[index])}, and "
            f"{argument}[{nested.index(True)}] is a list.",
            "Pass one list of messages, or a list of such lists.",
        )
    for index, conversation in enumerate(messages):
        if not conversation:
            raise InputError(f"{argument}[{index}] is an empty list.", _EXAMPLE)
    return list(messages)


def _check(conversation: Conversation, where: str, template: str) -> None:
    for index, message in enumerate(conversation):
        name = f"{where}[{index}]"
        if not isinstance(message, Mapping):
            raise InputError(
                f'{name} is {shown(message)}, not a dict with "role" and "content".', _EXAMPLE
            )
        for field in ("role", "content"):
            if field not in message:
                close = near(field, map(str, message))
                hint = f"It has {listed(map(str, message))}." if message else "It is empty."
                raise InputError(f"{name} has no {field!r}.", f"{hint} {close}".strip())
            value = message[field]
            if not isinstance(value, str):
                raise InputError(
                    f"{name}[{field!r}]={shown(value)} is a {type(value).__name__}, not a string.",
                    _EXAMPLE,
                )
            check_text(value, f"{name}[{field!r}]")
        role = message["role"]
        if role not in ROLES and (not role or role not in template):
            raise InputError(
                f"{name}['role']={role!r} is no role.",
                f"{near(role, ROLES)} Roles are {listed(ROLES)}.".strip(),
            )


def _written(tokenizer: Any, conversation: Conversation, where: str) -> str:
    plain = [dict(message) for message in conversation]
    try:
        return str(tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=True))
    except Exception as error:
        # Templates are programs, and refuse what they like in words of their own.
        raise InputError(
            f"{where} is refused by the tokenizer's chat template: {error}",
            "Change the messages to what the template takes, or write the conversation as text.",
        ) from error


def _template_positions(
    tokenizer: Any, row: list[int], text: str, contents: list[str]
) -> tuple[int, ...]:
    """Positions of the tokens that hold nothing of the messages; none where that cannot be told."""
    spans, begin = [], 0
    for content in map(str.strip, contents):
        at = text.find(content, begin)
        if at < 0:
            return ()
        begin = at + len(content)
        spans.append((at, begin))
    if not tokenizer.is_fast:
        return ()
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    before = len(row) - len(offsets)
    if before < 0:
        return ()
    own = (any(a < end and b > start for start, end in spans) for a, b in offsets)
    return (*range(before), *(before + i for i, is_own in enumerate(own) if not is_own))
