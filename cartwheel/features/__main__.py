"""Write the feature catalogue into docs/features.md, between its markers.

python -m cartwheel.features
"""

from cartwheel.features import FEATURES, TEXTS, FeatureSet
from cartwheel.settings import PROJECT_ROOT

GUIDE = PROJECT_ROOT / "docs/features.md"
START, END = "<!-- catalogue -->\n", "<!-- end of catalogue -->"


def tables() -> str:
    """A heading and a table in Markdown for each dataset."""
    return "\n".join(f"### {dataset}\n\n{table(features)}\n" for dataset, features in FEATURES.items())


def table(features: FeatureSet) -> str:
    """One dataset: a line on its rows, and a row for each feature."""
    said = f"One row per {features.rows}. Keys: {', '.join(f'`{key}`' for key in features.keys)}."
    lines = [f"| {' | '.join([*TEXTS[:-1], 'null means'])} |", "|---" * len(TEXTS) + "|"]
    for feature in features.features:
        texts = [getattr(feature, text) for text in TEXTS[1:]]
        lines.append(f"| `{feature.name}` | {' | '.join(texts)} |")
    return "\n".join([said, "", *lines])


def main() -> None:
    before, start, rest = GUIDE.read_text().partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise SystemExit(f"{GUIDE}: the lines {START.strip()} and {END} are missing; the catalogue goes between them")
    GUIDE.write_text(before + START + "\n" + tables() + "\n" + END + after)


if __name__ == "__main__":
    main()
