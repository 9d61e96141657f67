"""Train the two-stage ranker for a partition date and log it to MLflow.

    python -m training.train --date 2017-11-30 --register

Reads features/*, candidates/union and items of the training cut-offs (training.cutoffs) and the events of their label
windows, without the users who do not consent on the date (`no_consent`). Writes an MLflow run (parameters, metrics, the
model) and, with --register, a new version of the model `ranker`; whether it serves is up to
`python -m training.gate --version N`.
"""

import argparse
import shutil
import tempfile
from datetime import date
from pathlib import Path

import mlflow
import polars as pl
import structlog

from cartwheel import champion as champions
from cartwheel.contracts import parse_partition_key
from cartwheel.settings import RankerVariant, get_settings
from cartwheel.threads import spare_cores
from training import checks, data, device, registry, scorer, smaller
from training.cutoffs import cutoffs_in_lake
from training.encoder import train_encoder, vocabulary
from training.loop import History
from training.model import Ranker
from training.scorer import Examples

log = structlog.get_logger()

BUDGET_S = 180
SEED = 17
ENCODER = {"width": 64, "layers": 1, "heads": 4, "dropout": 0.1, "temperature": 0.5}
SCORER = {"members": 2, "hidden": [256, 128], "dropout": 0.1}
HISTORY = 128  # purchases of a user that the encoder looks at
OWN_CANDIDATES = 100  # of the encoder, from the whole catalogue


def fit(
    tables: dict[date, dict[str, pl.DataFrame]],
    events: dict[date, pl.DataFrame],
    seed: int = SEED,
    window_days: int = 28,
    min_item_purchases: int = 5,
    checkpoints: Path | None = None,
    variant: RankerVariant = "full",
    **epochs: int,
) -> tuple[Ranker, dict[str, History]]:
    """Train both stages on cut-offs, oldest first: their tables (`data.load`) and the events of their label windows.

    `epochs` may hold `encoder_epochs` and `scorer_epochs`; both stages keep their state in the folder `checkpoints`.
    Returns the ranker, as the `variant` that was asked for (`training.smaller`), and how each stage went, by its name.

    Raises:
        training.checks.BadTrainingDataError: the data holds what must not be learnt from.
        training.loop.DivergedError: a loss became NaN or infinite.
    """
    for cutoff in sorted(tables):
        checks.check_cutoff(cutoff, tables[cutoff], events[cutoff], window_days, min_item_purchases)
    first = tables[min(tables)]
    ranker = Ranker()
    ranker.config = {
        "vocabulary": vocabulary(first["sequences"], first["items"], min_item_purchases),
        "encoder": ENCODER,
        "scorer": SCORER,
        "length": HISTORY,
        "label_window_days": window_days,
        "min_item_purchases": min_item_purchases,
        "own_candidates": OWN_CANDIDATES,
        "objectives": scorer.objectives(pl.concat(events.values())),
        "variant": "full",
        "seed": seed,
    }
    stage = None if checkpoints is None else checkpoints / "encoder.pt"
    later = tables[max(tables)]["sequences"] if len(tables) > 1 else None
    encoder = train_encoder(ranker, first["sequences"], first["items"], seed, epochs.get("encoder_epochs"), stage, later)
    examples = examples_of(ranker, tables, events)
    checks.check_examples(examples.labels, examples.weights)
    stage = None if checkpoints is None else checkpoints / "scorer.pt"
    histories = {"encoder": encoder, "scorer": scorer.train_scorer(ranker, examples, seed, epochs.get("scorer_epochs"), stage)}
    stage = None if checkpoints is None else checkpoints / f"{variant}.pt"
    return smaller.make(ranker, variant, examples, seed, stage), histories


def examples_of(ranker: Ranker, tables: dict[date, dict[str, pl.DataFrame]], events: dict[date, pl.DataFrame]) -> Examples:
    """What the scorer learns from: the examples of all cut-offs."""
    parts = []
    for cutoff in sorted(tables):
        rows = ranker.assemble(tables[cutoff])
        label = scorer.labels(rows.pairs, events[cutoff], ranker.config["objectives"])
        ranks = scorer.shown_ranks(rows.pairs, events[cutoff])
        parts.append(scorer.examples(rows, label, ranks, ranker.config["seed"]))
        log.info("examples", cutoff=str(cutoff), rows=len(label), kept=len(parts[-1].labels), positives=int(label[:, 0].sum()))
    return scorer.joined(parts)


def figures_of(histories: dict[str, History]) -> dict[str, float]:
    """How long each stage took, and how well it was fed, by name."""
    measures = ("seconds", "data_share", "examples_per_second", "examples")
    return {f"{stage}_{name}": round(getattr(history, name), 4) for stage, history in histories.items() for name in measures}


def train(day: date, seed: int = SEED, register: bool = True) -> str | None:
    """Train for `day`; returns the registered version (None without `register`, and in all processes but the first).

    A run that was killed left its checkpoints in `settings.training_dir`; this one goes on from them.

    Raises:
        cartwheel.lake.MissingPartitionError: a cut-off is not in the lake (`python -m training.cutoffs` builds it).
        training.checks.BadTrainingDataError, training.loop.DivergedError: see `fit`.
    """
    device.set_up()
    spare_cores()
    settings, cutoffs = get_settings(), cutoffs_in_lake(day)
    log.info("training", date=str(day), cutoffs=[str(c) for c in cutoffs.training], gate=str(cutoffs.gate), budget_s=BUDGET_S)
    tables = {cutoff: data.load(cutoff, known_on=day) for cutoff in cutoffs.training}
    events = {cutoff: data.window_events(cutoff, known_on=day) for cutoff in cutoffs.training}
    checkpoints = settings.training_dir / f"{day}-{seed}"
    window, minimum, variant = settings.label_window_days, settings.min_item_purchases, settings.ranker_variant
    ranker, histories = fit(tables, events, seed, window, minimum, checkpoints, variant)
    if not device.is_first():
        return None
    champions.registry_client()
    mlflow.set_experiment(registry.EXPERIMENT)
    with mlflow.start_run(run_name=f"ranker {day}"), tempfile.TemporaryDirectory() as folder:
        config = ranker.config
        settled = {key: config[key] for key in ("length", "own_candidates", "objectives", "variant", "seed", "label_window_days")}
        mlflow.log_params(
            settled | {f"encoder_{k}": v for k, v in ENCODER.items()} | {f"scorer_{k}": v for k, v in config["scorer"].items()}
        )
        mlflow.log_params({"features": len(config["features"]), "items": len(config["vocabulary"]["item_id"])})
        registry.log_losses({stage: history.losses for stage, history in histories.items()})
        registry.log_losses({f"{stage}_validation": history.validation for stage, history in histories.items()})
        mlflow.log_metrics(figures_of(histories))
        checksums = {f"data_{cutoff}": data.checksum(cutoff) for cutoff in cutoffs.training}
        tags = {champions.DATE_TAG: day.isoformat(), "seed": str(seed)} | checksums
        mlflow.set_tags(tags)
        ranker.save(Path(folder) / "model")
        version = registry.log_model(Path(folder) / "model", register)
    if version is not None:
        for key, value in tags.items():
            champions.registry_client().set_model_version_tag(champions.MODEL, version, key, value)
    shutil.rmtree(checkpoints, ignore_errors=True)  # the model is safe; what is left over is only in the way
    log.info("trained", date=str(day), version=version, **figures_of(histories))
    return version


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", required=True, type=parse_partition_key)
    parser.add_argument("--register", action="store_true", help="add the model to the registry, as a challenger")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    train(arguments.date, arguments.seed, arguments.register)
