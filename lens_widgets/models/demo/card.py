"""The card of a demo model: ``card.json`` with what was measured, and its README."""

from __future__ import annotations

from typing import Any

from lens_widgets.models.demo.facts import FACTS, Value
from lens_widgets.prompts.words import NAMES

_INTENDED = (
    "For learning circuit analysis and for testing lens_widgets offline. It knows nothing but its "
    "training text, so nothing it says about the world means anything. It was trained for this "
    "package on generated text; no outside data or weights went in. Licence: that of lens_widgets."
)

_ABOUT: dict[str, dict[str, str]] = {
    "ioi": {
        "summary": "A small GPT-2 that names the receiver: indirect object identification.",
        "architecture": "GPT2LMHeadModel: 4 layers, 8 heads of 16, d_model 128, d_mlp 512, learned "
        "positions, n_ctx 256, LayerNorm, tied embedding.",
        "training": "Seeded stories of templates (lens_widgets/models/demo/corpus.py) with "
        f"{len(NAMES)} names, single sentences first. An eighth of the later batches are random "
        'tokens twice, so that every token has some use. Names after "to" weigh more in the loss. '
        "Two things were done for a circuit worth looking at: in the first fifth layers 0, 1 "
        "saw three tokens only, and a sparsity term keeps the writing of each layer to few heads. "
        "A fifth of the name pairs, those of the eight prompts among them, never share a text.",
        "limits": "Words and orders of words outside its templates are unknown to it; a "
        "familiar sentence with an unfamiliar word may go wrong. Positions past 240 are rare in "
        "training.",
    },
    "induction": {
        "summary": "Two layers of attention that continue what they have seen before.",
        "architecture": "TransformerLens native: 2 layers, attention only, 8 heads of 32, d_model "
        "128, learned positions, n_ctx 512, LayerNorm whose weights stay 1 and biases 0.",
        "training": "Random tokens in which a random stretch repeats "
        "(lens_widgets/models/demo/train_induction.py). Its circuit was helped along: an auxiliary "
        "loss asked one layer-0 head to carry the previous token during the first third, positions "
        "started from sinusoids, and six of the layer-1 heads were faded out and started anew once "
        "induction worked. The two induction heads were therefore chosen; what they compute was "
        "learned.",
        "limits": "It knows no language: before a repeat every token is about equally likely. Most "
        "heads do little. Repeats of fewer than about ten tokens are continued less surely.",
    },
}


def make_card(
    name: str, values: dict[str, Value], training: dict[str, Any], n_parameters: int, d_vocab: int
) -> dict[str, Any]:
    """The contents of ``card.json``.

    Args:
        name: "ioi" or "induction".
        values: from :func:`lens_widgets.models.demo.facts.measure`, with the shipped weights.
        training: settings of the run, seeds among them.
        n_parameters: of the model, shared ones once.
        d_vocab: tokens in the vocabulary.
    """
    facts = {}
    for key, fact in FACTS[name].items():
        facts[key] = {"value": values[key], "definition": fact.definition}
        if fact.at_least is not None:
            facts[key]["at_least"] = fact.at_least
        if fact.at_most is not None:
            facts[key]["at_most"] = fact.at_most
    return {
        "name": name,
        **_ABOUT[name],
        "intended_use": _INTENDED,
        "n_parameters": n_parameters,
        "d_vocab": d_vocab,
        "stored_dtype": "float16",
        "measured_dtype": "float32",
        "training_settings": training,
        "facts": facts,
    }


def render_card(card: dict[str, Any]) -> str:
    """``README.md``, from the contents of ``card.json``."""
    rows = [
        f"| `{key}` | {_shown(fact['value'])} | {_bound(fact)} | {fact['definition']} |"
        for key, fact in card["facts"].items()
    ]
    settings = ", ".join(f"{key} {value}" for key, value in card["training_settings"].items())
    name = card["name"]
    return "\n".join(
        [
            f"# The {name} demo model",
            "",
            card["summary"],
            "",
            "```python",
            "import lens_widgets as lw",
            "",
            f'model = lw.load_demo("{name}")',
            "```",
            "",
            f"**Architecture.** {card['architecture']} {card['n_parameters']:,} parameters, "
            f"{card['d_vocab']} tokens (byte-level BPE: any text can be encoded). Stored in "
            f"{card['stored_dtype']}, run in {card['measured_dtype']}.",
            "",
            f"**Training.** {card['training']} Settings: {settings}. Again: "
            f"`python -m lens_widgets.models.demo.train {name}`.",
            "",
            f"**Use.** {card['intended_use']}",
            "",
            f"**Limits.** {card['limits']}",
            "",
            "## Measured on these weights",
            "",
            "`lens_widgets.models.demo.facts.measure` recomputes every line; "
            "`tests/unit/test_demo.py` compares. This file is written from `card.json`.",
            "",
            "| fact | value | promised | definition |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _bound(fact: dict[str, Any]) -> str:
    if "at_least" in fact:
        return f"at least {fact['at_least']:g}"
    return f"at most {fact['at_most']:g}" if "at_most" in fact else ""
