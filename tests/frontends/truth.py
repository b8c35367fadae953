"""What torch says the screen must show: plain hooked forwards, one unpadded prompt at a time.

Imported by cells in the kernel. Nothing here comes from lens_widgets: only TransformerLens's hooks
and weights, so that the two sides share no code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Hook = tuple[str, Callable[..., Tensor]]
Ablation = str | tuple[str, str]


class Truth:
    """One model, prompts, answers and ablations: ``"L1H4"`` (zero) or ``("L1H4", "mean")``."""

    def __init__(
        self,
        model: Any,
        prompts: Sequence[str] | Tensor,
        answers: Sequence[tuple[str, str]] = (),
        ablations: Sequence[Ablation] = (),
    ) -> None:
        self.model = model
        self.tokens = [
            model.to_tokens(prompt) if isinstance(prompt, str) else prompt[None]
            for prompt in prompts
        ]
        self.answers = [tuple(model.to_single_token(t) for t in pair) for pair in answers]
        self.hooks = [self._hook(item) for item in ablations]

    def _hook(self, ablation: Ablation) -> Hook:
        part, kind = (ablation, "zero") if isinstance(ablation, str) else ablation
        layer, head = re.fullmatch(r"L(\d+)(?:H(\d+)|\.mlp)", part).groups()  # type: ignore[union-attr]
        at = slice(None) if head is None else int(head)
        name = f"blocks.{layer}.hook_mlp_out" if head is None else f"blocks.{layer}.attn.hook_z"
        value: Tensor | float = 0.0
        if kind == "mean":
            seen = [self._capture(tokens, [name], [])[name] for tokens in self.tokens]
            value = torch.cat([x[0] if head is None else x[0, :, at] for x in seen]).mean(dim=0)

        def write(x: Tensor, hook: Any) -> Tensor:
            x = x.clone()
            if head is None:
                x[:] = value
            else:
                x[:, :, at] = value
            return x

        return name, write

    def _capture(self, tokens: Tensor, names: list[str], hooks: list[Hook]) -> dict[str, Tensor]:
        kept: dict[str, Tensor] = {}

        def keeper(name: str) -> Callable[..., None]:
            def keep(x: Tensor, hook: Any) -> None:
                kept[name] = x.detach().clone()

            return keep

        watchers = [(name, keeper(name)) for name in names]
        with torch.inference_mode():
            kept["logits"] = self.model.run_with_hooks(tokens, fwd_hooks=[*hooks, *watchers])
        return kept

    def logits(self, prompt: int) -> Tensor:
        """[pos, d_vocab]"""
        return self._capture(self.tokens[prompt], [], self.hooks)["logits"][0]

    def logit_diffs(self) -> list[float]:
        """Correct minus wrong at the last position, per prompt."""
        return [
            float(logits[correct] - logits[wrong])
            for logits, (correct, wrong) in zip(
                (self.logits(i)[-1] for i in range(len(self.tokens))), self.answers, strict=True
            )
        ]

    def metric(self) -> float:
        """Mean logit difference over the prompts."""
        values = self.logit_diffs()
        return sum(values) / len(values)

    def probabilities(self, prompt: int, ids: Sequence[int]) -> list[float]:
        """Of these tokens, as the next one after a prompt."""
        probs = self.logits(prompt)[-1].softmax(dim=-1)
        return [float(probs[i]) for i in ids]

    def top_ids(self, prompt: int, k: int = 5) -> list[int]:
        found: list[int] = self.logits(prompt)[-1].topk(k).indices.tolist()
        return found

    def pattern(self, prompt: int, layer: int, head: int) -> list[list[float]]:
        """[query, key]"""
        name = f"blocks.{layer}.attn.hook_pattern"
        rows: list[list[float]] = self._capture(self.tokens[prompt], [name], self.hooks)[name][
            0, head
        ].tolist()
        return rows

    def scores(self, prompt: int, layer: int, head: int) -> list[list[float]]:
        """Queries times keys over the root of their size, [query, key], for plain attention."""
        names = [f"blocks.{layer}.attn.hook_{name}" for name in "qk"]
        seen = self._capture(self.tokens[prompt], names, self.hooks)
        query, key = (seen[name][0, :, head] for name in names)
        rows: list[list[float]] = (query @ key.T / query.shape[-1] ** 0.5).tolist()
        return rows

    def value_norms(self, prompt: int, layer: int, head: int) -> list[float]:
        name = f"blocks.{layer}.attn.hook_v"
        value = self._capture(self.tokens[prompt], [name], self.hooks)[name][0, :, head]
        found: list[float] = value.norm(dim=-1).tolist()
        return found

    def sources(self, prompt: int, layer: int, head: int, pos: int = -1) -> list[float]:
        """A head's direct effect at a position, by the token whose value carried it."""
        names = [f"blocks.{layer}.attn.hook_{name}" for name in ("pattern", "v")]
        seen = self._capture(self.tokens[prompt], names, self.hooks)
        weights = seen[names[0]][0, head, pos].double()
        values = seen[names[1]][0, :, head].double()
        written = weights[:, None] * values @ self.model.blocks[layer].attn.W_O[head].double()
        effect = self._effect(prompt, pos)
        return [effect(vector) for vector in written]

    def neurons(self, prompt: int, layer: int) -> list[float]:
        """The direct effect of each neuron of an MLP at the last position."""
        name = f"blocks.{layer}.mlp.hook_post"
        active = self._capture(self.tokens[prompt], [name], self.hooks)[name][0, -1].double()
        output = self.model.blocks[layer].mlp.W_out.double()
        effect = self._effect(prompt, -1)
        return [effect(a * row) for a, row in zip(active, output, strict=True)]

    def _effect(self, prompt: int, pos: int) -> Callable[[Tensor], float]:
        """What a vector written at a position adds to the logit difference there."""
        model, name = self.model, "ln_final.hook_in"
        final = self._capture(self.tokens[prompt], [name], self.hooks)[name][0, pos].double()
        std = (final.var(unbiased=False) + model.cfg.eps).sqrt()
        correct, wrong = self.answers[prompt]
        unembed = model.W_U.double()
        read = model.ln_final.weight.double() * (unembed[:, correct] - unembed[:, wrong])
        return lambda written: float((written - written.mean()) / std @ read)

    def ids(self, prompt: int) -> list[int]:
        found: list[int] = self.tokens[prompt][0].tolist()
        return found

    def losses(self, prompt: int) -> list[float]:
        """Nats of predicting token pos + 1."""
        logits, ids = self.logits(prompt), self.tokens[prompt][0]
        found: list[float] = torch.nn.functional.cross_entropy(
            logits[:-1].float(), ids[1:], reduction="none"
        ).tolist()
        return found

    def mean_loss(self) -> float:
        """Mean over prompts of each one's mean loss."""
        means = [sum(losses) / len(losses) for losses in map(self.losses, range(len(self.tokens)))]
        return sum(means) / len(means)

    def stripe(self, prompt: int, kind: str) -> list[tuple[int, int]]:
        """The (query, key) cells of a head score; induction of a sequence that is repeated."""
        row = self.ids(prompt)
        n, half = len(row), (len(row) - 1) // 2
        if kind == "duplicate":
            before = {q: [k for k in range(q) if row[k] == row[q]] for q in range(n)}
            return [(q, keys[-1]) for q, keys in before.items() if keys]
        if kind == "induction":
            assert row[1 : half + 1] == row[half + 1 :]
        offset = {"previous": 1, "current": 0, "induction": half - 1}.get(kind)
        return [(q, 0 if offset is None else q - offset) for q in range(offset or 0, n)]

    def head_scores(self, kind: str, prompts: Sequence[int] | None = None) -> list[float]:
        """Mean attention on that stripe, head by head through the layers, over prompts."""
        cfg, chosen = self.model.cfg, range(len(self.tokens)) if prompts is None else prompts
        names = [f"blocks.{layer}.attn.hook_pattern" for layer in range(cfg.n_layers)]
        total = torch.zeros(cfg.n_layers, cfg.n_heads)
        for prompt in chosen:
            seen = self._capture(self.tokens[prompt], names, self.hooks)
            for q, k in (cells := self.stripe(prompt, kind)):
                total += torch.stack([seen[name][0, :, q, k] for name in names]) / len(cells)
        found: list[float] = (total / len(chosen)).flatten().tolist()
        return found

    def direct_effects(self) -> dict[str, float]:
        """Mean direct effect on the logit difference of every head, MLP and embedding.

        Each part's output goes alone through the final LayerNorm, whose scale is that of the whole
        run; what the LayerNorm and the unembedding add by themselves is ``bias``.
        """
        per_prompt = [self._direct_effects(i) for i in range(len(self.tokens))]
        return {
            name: sum(effects[name] for effects in per_prompt) / len(per_prompt)
            for name in per_prompt[0]
        }

    def _direct_effects(self, prompt: int) -> dict[str, float]:
        model, layers = self.model, range(self.model.cfg.n_layers)
        has_mlp = not model.cfg.attn_only
        names = ["hook_embed", "hook_pos_embed", "ln_final.hook_in"]
        names += [f"blocks.{layer}.attn.hook_z" for layer in layers]
        names += [f"blocks.{layer}.hook_attn_out" for layer in layers]
        names += [f"blocks.{layer}.hook_mlp_out" for layer in layers if has_mlp]
        seen = self._capture(self.tokens[prompt], names, self.hooks)
        last = {name: seen[name][0, -1].double() for name in names}

        norm = model.ln_final
        weight, shift = norm.weight.double(), norm.bias.double()
        final = last["ln_final.hook_in"]
        std = (final.var(unbiased=False) + model.cfg.eps).sqrt()
        correct, wrong = self.answers[prompt]
        unembed = model.W_U.double()
        direction = unembed[:, correct] - unembed[:, wrong]

        def effect(written: Tensor) -> float:
            return float(((written - written.mean()) / std * weight) @ direction)

        effects = {"embed": effect(last["hook_embed"]), "pos_embed": effect(last["hook_pos_embed"])}
        for layer in layers:
            z = last[f"blocks.{layer}.attn.hook_z"]
            output = model.blocks[layer].attn.W_O.double()
            for head in range(model.cfg.n_heads):
                effects[f"L{layer}H{head}"] = effect(z[head] @ output[head])
            effects[f"L{layer}.attn"] = effect(last[f"blocks.{layer}.hook_attn_out"])
            if has_mlp:
                effects[f"L{layer}.mlp"] = effect(last[f"blocks.{layer}.hook_mlp_out"])
        bias = float(shift @ direction)
        if model.b_U is not None:
            bias += float(model.b_U[correct] - model.b_U[wrong])
        effects["bias"] = bias
        return effects

    def stages(self, incl_mid: bool = True) -> list[str]:
        names = [
            [f"{layer}_pre", *([f"{layer}_mid"] if incl_mid else [])]
            for layer in range(self.model.cfg.n_layers)
        ]
        return [*(name for pair in names for name in pair), "final_post"]

    def lens(self, prompt: int, stage: str) -> Tensor:
        """Logits [pos, d_vocab] when the final norm gets the stream of an earlier stage."""
        layer, kind = stage.split("_")
        tokens = self.tokens[prompt]
        if kind == "post":
            return self.logits(prompt)
        names = [f"blocks.{layer}.hook_in", f"blocks.{layer}.hook_attn_out"]
        seen = self._capture(tokens, names, self.hooks)
        stream = seen[names[0]] + (seen[names[1]] if kind == "mid" else 0)
        swap: Hook = ("ln_final.hook_in", lambda x, hook: stream)
        return self._capture(tokens, [], [*self.hooks, swap])["logits"][0]

    def lens_cell(self, prompt: int, stage: str, pos: int) -> dict[str, float]:
        """The likeliest token of a stage, its probability, the answer's rank, KL from the end."""
        logits, final = self.lens(prompt, stage)[pos], self.logits(prompt)[pos].log_softmax(-1)
        log_probs = logits.log_softmax(-1)
        answer = self.answers[prompt][0]
        return {
            "token": int(logits.argmax()),
            "prob": float(log_probs.max().exp()),
            "rank": int((logits > logits[answer]).sum()),
            "kl": float((final.exp() * (final - log_probs)).sum()),
        }

    def accumulated(self) -> list[tuple[float, float]]:
        """Mean logit difference read at each stage with the end's scale, and its standard error."""
        rows = [self._accumulated(i) for i in range(len(self.tokens))]
        values = torch.tensor(rows, dtype=torch.float64)
        errors = values.std(dim=0) / len(rows) ** 0.5
        return list(zip(values.mean(dim=0).tolist(), errors.tolist(), strict=True))

    def _accumulated(self, prompt: int) -> list[float]:
        model = self.model
        effect = self._effect(prompt, -1)
        correct, wrong = self.answers[prompt]
        unembed = model.W_U.detach()
        bias = float(model.ln_final.bias.detach() @ (unembed[:, correct] - unembed[:, wrong]))
        bias += float(model.b_U[correct] - model.b_U[wrong])
        found = []
        for stage in self.stages():
            layer, kind = stage.split("_")
            names = ["ln_final.hook_in"]
            if kind != "post":
                names = [f"blocks.{layer}.hook_in", f"blocks.{layer}.hook_attn_out"]
            seen = self._capture(self.tokens[prompt], names, self.hooks)
            stream = seen[names[0]][0, -1].double()
            if kind == "mid":
                stream = stream + seen[names[1]][0, -1].double()
            found.append(effect(stream) + bias)
        return found
