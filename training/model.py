"""The ranker: a Transformer over a user's purchases, and a scorer on its state and the lake's features.

This one file is also the model that ships: MLflow keeps it beside the weights ("models from code") and runs it where
`training` is not installed, so it imports nothing of this project. Training assembles its examples with the same
`assemble`, and therefore sees what serving sees.

    model = mlflow.pyfunc.load_model("models:/ranker@champion").unwrap_python_model()
    scored = model.score(sequences, user, item, user_item, user_subcategory, user_category, items, candidates)
    why = model.explain(pairs, sequences, user, item, user_item, user_subcategory, user_category, items, candidates)
"""

import itertools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import polars as pl
import pyarrow as pa
import torch
import torch.nn.functional as F
from mlflow.pyfunc.model import PythonModel
from torch import Tensor, nn

KINDS = ("item_id", "subcategory", "category", "brand")  # what an item is made of; code 0 pads, 1 is unknown
TABLES = ("sequences", "user", "item", "user_item", "user_subcategory", "user_category", "items", "candidates")
SECONDS_PER_DAY = 86_400


# The encoder


class Block(nn.Module):
    """Causal self-attention: a head weighs by content, by how many places ago, and where times are known forgets in log days."""

    def __init__(self, width: int, heads: int, length: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mixing = nn.LayerNorm(width), nn.LayerNorm(width)
        self.look, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mix = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width))
        self.near = nn.Parameter(torch.zeros(heads, length))
        self.forget = nn.Parameter(torch.linspace(-3.0, 0.5, heads))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, places: Tensor, visible: Tensor, log_days: Tensor | None, last: Tensor | None = None) -> Tensor:
        """x [users, length, width]; places between, visible and log_days between [users or 1, places that look, length].

        All places look, or only `last` [users], each user's one.
        """
        users, length, width = x.shape
        parts = self.look(self.before_attention(x)).view(users, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        if last is not None:
            each = torch.arange(users, device=x.device)
            x, query = x[each, last][:, None], query[each, :, last][:, :, None]
        weight = self.near[:, places].transpose(0, 1)
        if log_days is not None:
            weight = weight - F.softplus(self.forget)[:, None, None] * log_days[:, None]
        mask = torch.where(visible[:, None], weight, float("-inf")).to(query.dtype)
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.dropout(self.join(seen.transpose(1, 2).reshape(x.shape)))
        return x + self.dropout(self.mix(self.before_mixing(x)))


class Encoder(nn.Module):
    """Items in, a state per item out; how likely an item comes next is the cosine of its vector with the state.

    An item's vector is the sum of the vectors of what it is made of: itself and, where known, its groups and brand. Vectors
    and states have length √width, so that only directions count and frequent items cannot win by long vectors; the cosines
    are divided by a temperature (softmax on a sphere: Wang et al., "NormFace", 2017) and added to a bias per item.
    """

    SPREAD = 0.05  # of the coordinates of a part's vectors at the start
    GAPS = 10

    def __init__(self, sizes: list[int], width: int, layers: int, heads: int, dropout: float, length: int, temperature: float):
        super().__init__()
        self.parts = nn.ModuleList(nn.Embedding(size, width) for size in sizes)
        self.gap = nn.Embedding(self.GAPS, width)
        for table in [*self.parts, self.gap]:
            nn.init.normal_(table.weight, std=self.SPREAD)
        self.bias = nn.Embedding(sizes[0], 1)
        nn.init.zeros_(self.bias.weight)
        self.enter, self.leave = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, heads, length, dropout) for _ in range(layers))
        self.length, self.dropout = length, nn.Dropout(dropout)
        self.scale = 1 / (width * temperature)

    @property
    def tables(self) -> list[Tensor]:
        """The vectors of each kind of part [size, width]."""
        return list(self.parts.parameters())

    def _sum(self, codes: Tensor) -> Tensor:
        return torch.stack([part(codes[..., kind]) for kind, part in enumerate(self.parts)]).sum(0)

    def vectors(self, codes: Tensor) -> Tensor:
        """Item vectors [..., width] from codes [..., kinds]."""
        return _on_sphere(self._sum(codes))

    def forward(self, codes: Tensor, days: Tensor | None = None, last: Tensor | None = None) -> Tensor:
        """States [users, length, width] from item codes [users, length, kinds], oldest first, with 0 as padding.

        `days` [users, length] are the times of the events, if they are known. With `last` [users], only the states at those
        places [users, width], for less work.
        """
        x = self.enter(self._sum(codes))
        if days is not None:
            gaps = torch.log2(1 + 2 * torch.diff(days, dim=1, prepend=days[:, :1]).clamp(min=0)).long().clamp(max=self.GAPS - 1)
            x = x + self.gap(gaps)
        x = self.dropout(x)
        *blocks, final = self.blocks
        if blocks or last is None:
            sight = self._sight(codes, days, torch.arange(codes.shape[1], device=codes.device)[None])
        for block in blocks:
            x = block(x, *sight)
        if last is None:
            return _on_sphere(self.leave(final(x, *sight)))
        return _on_sphere(self.leave(final(x, *self._sight(codes, days, last[:, None]), last)))[:, 0]

    @staticmethod
    def _sight(codes: Tensor, days: Tensor | None, looking: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """What places [users or 1, looking] see: how many places ago, whether at all and, with times, how many log days ago."""
        between = looking[:, :, None] - torch.arange(codes.shape[1], device=codes.device)
        visible = (between >= 0) & (codes[:, None, :, 0] > 0) | (between == 0)  # itself: padding attends to something
        log_days = None
        if days is not None:
            now = days.gather(1, looking.expand(len(days), -1))
            log_days = torch.log1p((now[:, :, None] - days[:, None, :]).clamp(min=0))
        return between.clamp(min=0), visible, log_days

    def logits(self, states: Tensor, codes: Tensor) -> Tensor:
        """How likely each item [items, kinds] comes next, per state [n, width]: logits [n, items]."""
        return self.scale * states @ self.vectors(codes).T + self.bias(codes[:, 0])[:, 0]


def _on_sphere(vectors: Tensor) -> Tensor:
    return F.normalize(vectors.float(), dim=-1) * vectors.shape[-1] ** 0.5


# The scorer


def logit_of_both(first: Tensor, second: Tensor) -> Tensor:
    """The logit of p·q from the logits of p and q, without forming either: (1 − pq) / pq = 1/e^a + 1/e^b + 1/e^(a+b)."""
    return -torch.logsumexp(torch.stack(torch.broadcast_tensors(-first, -second, -first - second)), dim=0)


class Examination(nn.Module):
    """How likely an item is looked at by the place it was shown at: the logit of a probability per band of ranks.

    Only relative to a reference is it identified, so what was shown first counts as looked at. Rank 0 is an item that was
    not shown: its probability is that of coming upon it all the same. Bands are 1, 2, 3–4, 5–8, 9–16, 17–32 and beyond.
    """

    BANDS = 8
    SPEED = 10.0  # few numbers that start at a half: they take longer steps than the network's weights

    def __init__(self) -> None:
        super().__init__()
        self.bands = nn.Parameter(torch.zeros(self.BANDS))

    def forward(self, rank: Tensor) -> Tensor:
        """Logits of any shape from ranks of that shape, infinite at rank 1."""
        band = torch.where(rank > 0, torch.log2(rank.clamp(min=1).float()).ceil().long() + 1, 0).clamp(max=self.BANDS - 1)
        return (self.SPEED * self.bands)[band].masked_fill(rank == 1, float("inf"))


class PerMember(nn.Linear):
    """A linear layer for each member of an ensemble, side by side: [rows, members × inputs] to [rows, members × outputs]."""

    def __init__(self, members: int, inputs: int, outputs: int):
        super().__init__(inputs, members * outputs)
        self.members = members

    def forward(self, x: Tensor) -> Tensor:
        own = x.unflatten(1, (self.members, self.in_features)).transpose(0, 1)
        weight, bias = self.weight.unflatten(0, (self.members, -1)), self.bias.unflatten(0, (self.members, 1, -1))
        return torch.baddbmm(bias, own, weight.transpose(1, 2)).transpose(0, 1).flatten(1)


class NormPerMember(nn.GroupNorm):
    """`GroupNorm` of rows [rows, channels] by PyTorch's kernel for layers, which takes half as long on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        own = x.unflatten(1, (self.num_groups, -1))
        return torch.addcmul(self.bias, F.layer_norm(own, own.shape[2:], eps=self.eps).flatten(1), self.weight)


class Scorer(nn.Module):
    """MLPs with one head per objective on features, two of which are the encoder's score and rank of the pair.

    There are several, which learn the same but start differently, and their mean logit counts: it is better than each, and
    moves less from one training to the next (Lakshminarayanan et al. 2017, "Deep ensembles"). They stand side by side in one
    network.

    Of two objectives, purchase and click, the heads give p(purchase | click) and p(click), and what comes out is p(click)
    and their product p(purchase): the entire-space multi-task model (Ma et al. 2018, arXiv:1804.07931, equation 1). Where
    the data tells at which rank an item was shown, p(click) in training is p(examined | rank) · p(click | examined)
    (Guo et al. 2019, "PAL", equation 3); without a rank it is that of an item that is looked at.

    Each feature enters twice, as its quantile among the training rows and as a standardised signed logarithm, with an
    indicator for each pattern of missing values. The transforms are buffers, so they travel with the weights.
    """

    QUANTILES = 64

    def __init__(
        self, features: int, missing: int, hidden: list[int], objectives: int, dropout: float, members: int, ranked: bool = False
    ):
        super().__init__()
        self.quantiles: Tensor
        self.mean: Tensor
        self.scale: Tensor
        self.missing: Tensor
        self.register_buffer("quantiles", torch.zeros(features, self.QUANTILES))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("missing", torch.zeros(missing, dtype=torch.long))
        first = nn.Linear(2 * features + missing, members * hidden[0])  # all members see the same
        further = [PerMember(members, size, out) for size, out in itertools.pairwise(hidden)]
        self.trunk = nn.Sequential(
            *(
                nn.Sequential(layer, NormPerMember(members, layer.out_features), nn.SiLU(), nn.Dropout(dropout))
                for layer in (first, *further)
            )
        )
        self.heads = PerMember(members, hidden[-1], objectives)
        self.examination = Examination() if ranked else None

    def start_from_rates(self, rates: Tensor) -> None:
        """Start the heads at p(click) and p(purchase | click) of all rows, from the rates of purchases and clicks [2]."""
        with torch.no_grad():
            start = torch.logit(torch.stack([rates[0] / rates[1], rates[1]]), eps=1e-4)
            self.heads.bias.copy_(start.repeat(self.heads.members))

    @staticmethod
    def missing_patterns(sample: np.ndarray) -> np.ndarray:
        """Columns of the sample [rows, features] that stand for every different pattern of missing values."""
        absent = np.isnan(sample)
        _, first = np.unique(absent, axis=1, return_index=True)
        return np.sort(first[absent[:, first].any(axis=0)])

    def fit_transforms(self, sample: np.ndarray) -> None:
        """Set quantiles, means and scales from a sample of training rows [rows, features]."""
        logs = np.sign(sample) * np.log1p(np.abs(sample))
        present = ~np.isnan(sample)
        for column in range(sample.shape[1]):
            values = sample[present[:, column], column] if present[:, column].any() else np.zeros(1, np.float32)
            self.quantiles[column] = torch.from_numpy(np.quantile(values, np.linspace(0, 1, self.QUANTILES)).astype("float32"))
            values = logs[present[:, column], column] if present[:, column].any() else np.zeros(1, np.float32)
            self.mean[column], self.scale[column] = float(values.mean()), float(values.std()) + 1e-3
        self.missing.copy_(torch.from_numpy(self.missing_patterns(sample)))

    def transform(self, features: Tensor) -> Tensor:
        """Network inputs [rows, 2 × features + missing] from raw features, NaN where missing."""
        absent = features.isnan()
        values = features.nan_to_num(0.0)
        columns = values.T.contiguous()
        below, upto = torch.searchsorted(self.quantiles, columns), torch.searchsorted(self.quantiles, columns, right=True)
        place = ((below + upto).T / self.QUANTILES - 1) * 1.7  # ties take the middle of their places; variance about 1
        logs = (values.sign() * values.abs().log1p() - self.mean) / self.scale
        known = torch.cat([place, logs.clamp(-5, 5)], dim=1).masked_fill(torch.cat([absent, absent], dim=1), 0.0)
        return torch.cat([known, absent[:, self.missing].float()], dim=1)

    def forward(self, inputs: Tensor, rank: Tensor | None = None) -> Tensor:
        """Each member's logits [rows, members, objectives] from transformed inputs.

        `rank` [rows] is where the item was shown, 0 if nowhere; serving leaves it out: the item is looked at.
        """
        return self.logits(self.trunk(inputs), rank)

    def logits(self, hidden: Tensor, rank: Tensor | None = None) -> Tensor:
        """The same from what the trunk gives."""
        logits = self.heads(hidden).unflatten(1, (self.heads.members, -1))
        then, first = logits[..., :-1], logits[..., -1:]
        if self.examination is not None and rank is not None:
            first = logit_of_both(first, self.examination(rank)[:, None, None])
        return torch.cat([logit_of_both(first, then), first], dim=2) if then.shape[2] else first


# Weights in eight bits


def state_to_save(module: nn.Module, eight_bits: bool) -> dict[str, Tensor | tuple[Tensor, Tensor]]:
    """The module's state on the CPU, with the matrices of its layers as pairs of `in_eight_bits` if asked for."""
    state: dict[str, Any] = {key: tensor.cpu() for key, tensor in module.state_dict().items()}
    for name, layer in module.named_modules():
        if eight_bits and isinstance(layer, nn.Linear | nn.Embedding) and layer.weight.shape[1] > 1:
            state[f"{name}.weight"] = in_eight_bits(state[f"{name}.weight"])
    return state


def saved_state(saved: dict[str, Tensor | tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """The state that `state_to_save` made, all in float32."""
    return {key: part if isinstance(part, Tensor) else part[0] * part[1].float() for key, part in saved.items()}


def in_eight_bits(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Int8 [rows, columns] and a scale per row [rows, 1], whose product is near `weight`: the largest of a row becomes ±127.

    Symmetric quantisation per channel (Krishnamoorthi 2018, arXiv:1806.08342). The scales are bfloat16: as their products
    with an int8 are exact in float32, to quantise such a product again gives the same bits.
    """
    scale = (weight.abs().amax(dim=1, keepdim=True) / 127).bfloat16()
    steps = weight / scale.float().clamp(min=torch.finfo(torch.float32).tiny)
    return steps.round().clamp(-127, 127).to(torch.int8), scale


# From lake tables to rows


@dataclass
class Rows:
    """What the scorer sees: `pairs` (user_key, item_id, bought, source …) and, row by row, the model's inputs."""

    pairs: pl.DataFrame
    features: np.ndarray  # [rows, features], NaN where missing
    user: np.ndarray  # [rows] place of the row's user among the sequences
    item: np.ndarray  # [rows] place of the row's item in `vectors`
    vectors: Tensor  # [items, width]


def item_codes(items: pl.DataFrame, vocabulary: dict[str, list[str]]) -> Tensor:
    """Codes [items, 4] of a frame with the columns `KINDS`."""
    codes = [
        items.select(pl.col(kind).replace_strict(vocabulary[kind], range(2, len(vocabulary[kind]) + 2), default=1)).to_series()
        for kind in KINDS
    ]
    return torch.from_numpy(np.stack([code.to_numpy() for code in codes], axis=1).astype(np.int64))


def histories(sequences: pl.DataFrame, items: pl.DataFrame, vocabulary: dict[str, list[str]], length: int) -> dict[str, Any]:
    """The last `length` purchases of each user, left-aligned: users, codes [users, length, 4], days and counts."""
    users = sequences["user_key"]
    events = sequences.select(
        pl.int_range(pl.len()).alias("user"),
        pl.col("item_ids", "event_ts", "session_ids").list.tail(length),
        pl.int_ranges(0, pl.col("item_ids").list.len().clip(upper_bound=length)).alias("place"),
    ).explode("item_ids", "event_ts", "session_ids", "place")
    events = events.drop_nulls("item_ids").join(
        items.select(KINDS), left_on="item_ids", right_on="item_id", how="left", maintain_order="left"
    )
    user, place = torch.from_numpy(events["user"].to_numpy().copy()), torch.from_numpy(events["place"].to_numpy().copy())
    codes, days = torch.zeros(len(users), length, 4, dtype=torch.long), torch.zeros(len(users), length, dtype=torch.float64)
    codes[user, place] = item_codes(events.rename({"item_ids": "item_id"}), vocabulary)
    days[user, place] = torch.from_numpy(events["event_ts"].dt.epoch("s").to_numpy() / SECONDS_PER_DAY)
    days = torch.where(codes[..., 0] > 0, days - days[:, :1], torch.zeros(()))  # only differences matter
    return {"users": users, "codes": codes, "days": days.float(), "counts": (codes[..., 0] > 0).sum(1), "events": events}


def _history_of(kind: list[str], name: str, user_item: pl.DataFrame) -> pl.DataFrame:
    """What a user bought of a brand, or of one in a subcategory: one row per user and thing."""
    return (
        user_item.drop_nulls(kind)
        .group_by("user_key", *kind, maintain_order=True)
        .agg(
            pl.col("purchases", "decayed_visits", "purchases_90").sum().name.prefix(f"{name}_"),
            pl.len().cast(pl.Float32).alias(f"{name}_items"),
            pl.col("recency_days").min().alias(f"{name}_recency_days"),
        )
    )


def _prefixed(frame: pl.DataFrame, prefix: str, keys: tuple[str, ...]) -> pl.DataFrame:
    return frame.rename({name: f"{prefix}_{name}" for name in frame.columns if name not in keys})


def pair_features(tables: dict[str, pl.DataFrame], pairs: pl.DataFrame) -> pl.DataFrame:
    """All features of user-item pairs, a column each, in a fixed order; `pairs` brings the sources' and the encoder's."""
    facts = tables["items"].select(KINDS)
    bought = tables["user_item"].join(facts, on="item_id", how="left", maintain_order="left")
    frame = pairs.join(facts, on="item_id", how="left", maintain_order="left")
    for prefix, name, keys in (
        ("user", "user", ("user_key",)),
        ("item", "item", ("item_id",)),
        ("own", "user_item", ("user_key", "item_id")),
        ("sub", "user_subcategory", ("user_key", "subcategory")),
        ("cat", "user_category", ("user_key", "category")),
    ):
        frame = frame.join(_prefixed(tables[name], prefix, keys), on=list(keys), how="left", maintain_order="left")
    for name, kind in (("brand", ["brand"]), ("line", ["brand", "subcategory"])):
        frame = frame.join(_history_of(kind, name, bought), on=["user_key", *kind], how="left", maintain_order="left")
    sources = [name.removesuffix("_rank") for name in tables["candidates"].columns if name.endswith("_rank")]
    return frame.with_columns(
        own_share=pl.col("own_purchases") / pl.col("user_visits"),
        own_share_90=pl.col("own_purchases_90") / (pl.col("user_visits_90") + 1),
        own_of_sub=pl.col("own_decayed_visits") / pl.col("sub_decayed_visits"),
        own_place=pl.col("own_decayed_visits").rank("min", descending=True).over("user_key").cast(pl.Float32),
        own_recency_per_gap=pl.col("own_recency_days") / pl.col("item_gap_days"),
        sub_items_left=pl.col("sub_items") / pl.col("sub_purchases"),
        brand_share=pl.col("brand_purchases") / pl.col("user_purchases"),
        item_week_rate=pl.col("item_purchases_7") * 4 / (pl.col("item_purchases_28") + 1),
        item_recent_share=pl.col("item_purchases_28") / pl.col("item_purchases"),
        sources=pl.sum_horizontal(pl.col(f"{source}_rank").is_not_null() for source in sources).cast(pl.Float32),
        fused=pl.sum_horizontal((1 / (60 + pl.col(f"{s}_rank"))).fill_null(0.0) for s in [*sources, "ranker"]),
    ).drop("user_key", *KINDS)


# What moved a score

# The parts of a score, and the features of each; the encoder's word is `sequence`. All other
# features are of the user alone and move no item above another: they are the same in the baseline.
GROUPS = {
    "own": "own_|buy_again_|bought",
    "affinity": "sub_|cat_|brand_|line_",
    "similar": "als_|ease_|item_cf_|co_purchase_|content_|fused|sources",
    "price": "item_(.*price|reduced|mailer|display|promotion)",
    "item": "item_|popular_|trending_|new_items_",
    "sequence": "ranker_",
}
LEFT_OUT = 20  # of a user's items, the latest, each left out once
NAMED = 3  # history items a pair's explanation names at most


def groups_of(features: list[str]) -> np.ndarray:
    """The place of each feature's group in `GROUPS`; -1 for features of the user alone."""
    matches = [[re.match(pattern, name) is not None for pattern in GROUPS.values()] for name in features]
    return np.array([match.index(True) if any(match) else -1 for match in matches])


def shapley_weights(players: int) -> tuple[np.ndarray, np.ndarray]:
    """All coalitions [2^players, players], and the weights [players, 2^players] that turn their values into Shapley values.

    Shapley 1953: a player's value is the mean, over all orders of joining, of what its joining adds.
    """
    members = np.array(list(itertools.product((False, True), repeat=players)))
    size = members.sum(1)
    fact = np.array([math.factorial(n) for n in range(players + 1)], float)
    joins = fact[size - 1] * fact[players - size] / fact[players]
    stays_out = fact[size] * fact[players - size - 1] / fact[players]
    return members, np.where(members, joins[:, None], -stays_out[:, None]).T


def sums_of_coalitions(nobody: Tensor, adds: Tensor) -> Iterator[Tensor]:
    """What nobody has [...] and what each player adds to it [players, ...], summed, in the order of `shapley_weights`."""
    if len(adds) == 0:
        yield nobody
        return
    yield from sums_of_coalitions(nobody, adds[1:])
    yield from sums_of_coalitions(nobody + adds[0], adds[1:])


class Ranker(PythonModel):
    """Both stages with their vocabulary: from lake tables to a purchase probability per candidate."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.encoder: Encoder
        self.scorer: Scorer
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    # Building and loading

    def build_encoder(self) -> None:
        """A fresh encoder for `config`."""
        sizes = [len(self.config["vocabulary"][kind]) + 2 for kind in KINDS]
        self.encoder = Encoder(sizes, length=self.config["length"], **self.config["encoder"]).to(self.device)

    def build_scorer(self) -> None:
        """A fresh scorer for `config`."""
        config = self.config
        self.scorer = Scorer(
            features=len(config["features"]),
            missing=config["missing"],
            objectives=len(config["objectives"]),
            ranked=config["ranked"],
            **config["scorer"],
        ).to(self.device)

    def load(self, folder: Path) -> "Ranker":
        """Restore what `save` wrote."""
        self.config = json.loads((folder / "config.json").read_text())
        self.build_encoder()
        self.build_scorer()
        state = torch.load(folder / "weights.pt", map_location=self.device, weights_only=True)
        self.encoder.load_state_dict(saved_state(state["encoder"]))
        self.scorer.load_state_dict(saved_state(state["scorer"]))
        return self

    def save(self, folder: Path) -> None:
        """Write `config.json` and `weights.pt`, which holds matrices in eight bits if the configured variant is `int8`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config, sort_keys=True))
        eight_bits = self.config["variant"] == "int8"
        weights = {
            name: state_to_save(module, eight_bits) for name, module in (("encoder", self.encoder), ("scorer", self.scorer))
        }
        torch.save(weights, folder / "weights.pt")

    def load_context(self, context: Any) -> None:
        """Called by MLflow with the artifact `model`: the folder that `save` wrote."""
        self.load(Path(context.artifacts["model"]))

    # Scoring

    @torch.no_grad()
    def user_states(self, sequences: pl.DataFrame, items: pl.DataFrame, batch: int = 128) -> Tensor:
        """The state after each user's last purchase [users, width]."""
        self.encoder.eval()
        past = histories(sequences, items, self.config["vocabulary"], self.config["length"])
        given = (past["codes"], past["days"], (past["counts"] - 1).clamp(min=0))
        states = [self.encoder(*(part[i : i + batch].to(self.device) for part in given)) for i in range(0, len(sequences), batch)]
        return torch.cat(states) if states else torch.zeros(0, self.config["encoder"]["width"], device=self.device)

    @torch.no_grad()
    def assemble(self, tables: dict[str, pl.DataFrame]) -> Rows:
        """Candidates and the encoder's own, with every input of the scorer; sorted by user and item."""
        catalogue = (
            tables["item"]
            .filter(pl.col("purchases") >= self.config["min_item_purchases"])
            .select("item_id")
            .join(tables["items"].select(*KINDS, "available"), on="item_id", how="left")
            .filter(pl.col("available").fill_null(True))
            .sort("item_id")
            .with_row_index("item")
        )
        users = tables["sequences"].select("user_key").with_row_index("user")
        states = self.user_states(tables["sequences"], tables["items"])
        codes = item_codes(catalogue, self.config["vocabulary"]).to(self.device)
        logits = torch.log_softmax(self.encoder.logits(states, codes), dim=1)
        known = tables["user_item"].select("user_key", "item_id", bought=pl.lit(True))
        pairs = tables["candidates"].join(users, on="user_key").join(catalogue.select("item_id", "item"), on="item_id")
        own = self._own_candidates(logits, known.join(users, on="user_key").join(catalogue, on="item_id"))
        pairs = (
            pairs.join(own, on=["user", "item"], how="full", coalesce=True)
            .drop("user_key", "item_id")
            .join(users, on="user")
            .join(catalogue.select("item_id", "item"), on="item")
            .join(known, on=["user_key", "item_id"], how="left")
            .with_columns(pl.col("bought").fill_null(False))
            .sort("user_key", "item_id")
        )
        user, item = pairs["user"].to_numpy().astype(np.int64), pairs["item"].to_numpy().astype(np.int64)
        logit = logits[torch.from_numpy(user).to(self.device), torch.from_numpy(item).to(self.device)]
        pairs = pairs.drop("user", "item").with_columns(ranker_score=pl.Series(logit.cpu().numpy()))
        features = pair_features(tables, pairs)
        self.config.setdefault("features", features.columns)
        matrix = features.select(pl.col(self.config["features"]).cast(pl.Float32).fill_null(float("nan"))).to_numpy()
        matrix = np.where(np.isfinite(matrix), matrix, np.float32("nan"))
        return Rows(pairs, matrix, user, item, self.encoder.vectors(codes))

    def _own_candidates(self, logits: Tensor, bought: pl.DataFrame) -> pl.DataFrame:
        """The encoder's best items of the whole catalogue that are new to each user: user, item, ranker_rank."""
        new = logits.clone()
        places = [torch.from_numpy(bought[name].to_numpy().astype(np.int64)).to(self.device) for name in ("user", "item")]
        new[places[0], places[1]] = float("-inf")
        count = min(self.config["own_candidates"], new.shape[1])
        best = new.topk(count, dim=1)
        own = pl.DataFrame(
            {
                "user": np.repeat(np.arange(len(new), dtype=np.uint32), count),
                "item": best.indices.cpu().numpy().reshape(-1).astype(np.uint32),
                "ranker_rank": np.tile(np.arange(1, count + 1, dtype=np.int32), len(new)),
                "logit": best.values.cpu().numpy().reshape(-1),
            }
        )
        return own.filter(pl.col("logit").is_finite()).drop("logit")

    @torch.no_grad()
    def probabilities(self, rows: Rows, batch: int = 65_536) -> np.ndarray:
        """Probabilities [rows, objectives] within the label window, of items that are looked at."""
        self.scorer.eval()
        parts = []
        for i in range(0, len(rows.features), batch):
            inputs = self.scorer.transform(torch.from_numpy(rows.features[i : i + batch]).to(self.device))
            parts.append(torch.sigmoid(self.scorer(inputs).mean(1)).cpu().numpy())
        return np.concatenate(parts) if parts else np.zeros((0, len(self.config["objectives"])), np.float32)

    def score(
        self,
        sequences: pa.Table,
        user: pa.Table,
        item: pa.Table,
        user_item: pa.Table,
        user_subcategory: pa.Table,
        user_category: pa.Table,
        items: pa.Table,
        candidates: pa.Table,
    ) -> pa.Table:
        """Score the candidates of any subset of users, from the lake's tables of one date.

        Returns one row per user and item: user_key, item_id, score (probability of a purchase within the label window),
        source (which source ranks the item best; `ranker` is the encoder's own), bought (before that date).
        """
        given = (sequences, user, item, user_item, user_subcategory, user_category, items, candidates)
        rows = self.assemble({name: pl.DataFrame(table) for name, table in zip(TABLES, given, strict=True)})
        ranks = [name for name in rows.pairs.columns if name.endswith("_rank")]
        best = pl.concat_list(pl.col(ranks).fill_null(2**31 - 1)).list.arg_min()
        source = best.replace_strict(range(len(ranks)), [name.removesuffix("_rank") for name in ranks], return_dtype=pl.String)
        scores = self.probabilities(rows)[:, self.config["objectives"].index("purchase")]
        scored = rows.pairs.with_columns(source=source, score=pl.Series(scores, dtype=pl.Float32))
        return scored.select("user_key", "item_id", "score", "source", "bought").to_arrow()

    # Explaining

    def explain(self, pairs: pa.Table, **tables: pa.Table) -> pa.Table:
        """Why these pairs (user_key, item_id) score as they do, from the tables that `score` takes.

        Returns one row per pair that is scored: user_key, item_id, baseline, a column per group of `GROUPS`, moved_by,
        moved_by_effects. The groups are Shapley values: with the baseline, they add up to the logit of the score.
        `moved_by` names up to three of the user's latest items, and how much less the item's logit of the encoder would
        be had the user not bought them; none if it would not be less.
        """
        frames = {name: pl.DataFrame(tables[name]) for name in TABLES}
        rows = self.assemble(frames)
        wanted = pl.DataFrame(pairs).select("user_key", "item_id").unique()
        found = rows.pairs.select("user_key", "item_id").with_row_index("row")
        found = found.join(wanted, on=["user_key", "item_id"], how="semi", maintain_order="left")
        chosen = found["row"].to_numpy().astype(np.int64)
        baseline, effects = self.group_effects(rows, chosen)
        explained = found.with_columns(
            baseline=pl.Series(baseline), **{name: pl.Series(effects[:, place]) for place, name in enumerate(GROUPS)}
        )
        moved = self._moved_by(rows, chosen, frames["sequences"], frames["items"])
        return explained.join(moved, on="row", how="left", maintain_order="left").drop("row").to_arrow()

    @torch.no_grad()
    def group_effects(self, rows: Rows, chosen: np.ndarray, batch: int = 2048) -> tuple[np.ndarray, np.ndarray]:
        """The baseline's purchase logit [chosen] and each group's Shapley value [chosen, groups], both float32.

        A group that is left out is as in the baseline: an item of middling sales and price that no source names, of a kind
        and brand the user never bought, and an encoder without a word (Lundberg, Lee 2017, with one background row).
        """
        self.scorer.eval()
        names, missing = self.config["features"], self.scorer.missing.cpu().numpy()
        group, objective = groups_of(names), self.config["objectives"].index("purchase")
        middle = self.scorer.quantiles[:, self.scorer.QUANTILES // 2].cpu().numpy()
        of_item = [name.startswith("item_") and not name.startswith("item_cf_") for name in names]
        none = np.where(np.isin(names, ("bought", "sources", "fused")), np.float32(0), np.float32("nan"))
        neutral = np.where(of_item, middle, none)
        column = np.concatenate([group, group, group[missing]])
        columns = [torch.from_numpy(column == n).to(self.device) for n in range(len(GROUPS))]
        first, *others = self.scorer.trunk.children()
        first_layer, *then = first.children()
        weight, rest = first_layer.get_parameter("weight"), nn.Sequential(*then, *others)
        baseline, effects = np.zeros(len(chosen), np.float32), np.zeros((len(chosen), len(GROUPS)), np.float32)
        for start in range(0, len(chosen), batch):
            given = rows.features[chosen[start : start + batch]]
            full, empty = (
                self.scorer.transform(torch.from_numpy(values).to(self.device))
                for values in (given, np.where(group < 0, given, neutral))
            )
            # The first layer is linear, so what each group adds to its sums is found once for all coalitions.
            nobody = first_layer(empty)
            adds = torch.stack([((full - empty) * own) @ weight.T for own in columns])
            joins = torch.stack([(full != empty)[:, own].any(1) for own in columns], dim=1)
            # A group that is as in the baseline adds nothing to anybody: its value is 0, and coalitions go without it.
            for players in joins.unique(dim=0):
                alike = torch.nonzero((joins == players).all(1))[:, 0]
                _, weights = shapley_weights(int(players.sum()))
                sums = sums_of_coalitions(nobody[alike], adds[players][:, alike])
                logits = [self.scorer.logits(rest(hidden)).mean(1) for hidden in sums]
                values = torch.stack(logits)[..., objective].double().cpu().numpy()
                at = start + alike.cpu().numpy()
                baseline[at] = values[0]
                effects[np.ix_(at, np.flatnonzero(players.cpu().numpy()))] = (weights @ values).T
        return baseline, effects

    @torch.no_grad()
    def history_effects(self, sequences: pl.DataFrame, items: pl.DataFrame) -> tuple[np.ndarray, Tensor]:
        """Each user's latest items [users, LEFT_OUT] (None where there are fewer), and what each adds to the state
        [users, LEFT_OUT, width]: the state less the state of the same history without the item."""
        lists = ("item_ids", "event_ts", "session_ids")
        events = (
            sequences.with_row_index("user")
            .with_columns(pl.col(lists).list.tail(self.config["length"]))
            .explode(lists)
            .drop_nulls("item_ids")
        )
        latest = (
            events.with_row_index("place")
            .group_by("user", left_out="item_ids")
            .agg(pl.col("place").max())
            .sort("place", descending=True)
            .with_columns(nth=pl.int_range(pl.len()).over("user"))
        )
        states = self.user_states(sequences, items)
        ids = np.full((len(sequences), LEFT_OUT), None, dtype=object)
        added = torch.zeros(len(sequences), LEFT_OUT, states.shape[1], device=self.device)
        for nth in range(LEFT_OUT):
            without = latest.filter(nth=nth)
            rest = events.join(without, on="user", maintain_order="left").filter(pl.col("item_ids") != pl.col("left_out"))
            rest = rest.group_by("user", "user_key", maintain_order=True).agg(lists)
            every, others = (torch.from_numpy(frame["user"].to_numpy().astype(np.int64)) for frame in (without, rest))
            ids[every, nth] = without["left_out"].to_numpy()
            added[every, nth] = states[every]
            added[others, nth] -= self.user_states(rest, items)  # where nothing is left, the state without is none
        return ids, added

    def _moved_by(self, rows: Rows, chosen: np.ndarray, sequences: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
        """Per row of `chosen`: moved_by and moved_by_effects, largest effect first."""
        ids, added = self.history_effects(sequences, items)
        parts = []
        for part in np.split(chosen, range(8192, len(chosen), 8192)):
            user, item = torch.from_numpy(rows.user[part]), torch.from_numpy(rows.item[part])
            effects = self.encoder.scale * torch.einsum("nhw,nw->nh", added[user], rows.vectors[item])
            best = effects.topk(NAMED, dim=1)
            parts.append(
                pl.DataFrame(
                    {
                        "row": np.repeat(part.astype(np.uint32), NAMED),
                        "moved_by": ids[np.repeat(rows.user[part], NAMED), best.indices.cpu().numpy().reshape(-1)].tolist(),
                        "moved_by_effects": best.values.cpu().numpy().reshape(-1),
                    },
                    schema={"row": pl.UInt32, "moved_by": pl.String, "moved_by_effects": pl.Float32},
                )
            )
        moved = pl.concat(parts).filter(pl.col("moved_by").is_not_null() & (pl.col("moved_by_effects") > 0))
        return moved.group_by("row", maintain_order=True).agg("moved_by", "moved_by_effects")

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow reads hints as a schema
        """MLflow's entry: a dict of the tables that `score` takes (pandas, polars or Arrow), scored as pandas."""
        tables = {name: pl.DataFrame(model_input[name]).to_arrow() for name in TABLES}
        return self.score(**tables).to_pandas()


mlflow.models.set_model(Ranker())
