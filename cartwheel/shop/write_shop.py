"""Drafts as a YAML file, each doubt beside its line."""

import re

from cartwheel.contracts import LANDING_CONTRACTS
from cartwheel.shop.drafts import Draft
from cartwheel.shop.source import TYPES
from cartwheel.shop.yaml_text import doubt_text, quoted, safe


def write(drafts: list[Draft], unplaced: list[tuple[str, str]]) -> str:
    zone_doubt = (
        "  # doubt: times carry no offset; name the shop's zone, as Europe/Berlin" if any(d.needs_zone for d in drafts) else ""
    )
    lines = [
        "# How this shop's files are read, as `cartwheel init-shop` guessed. Read the doubts, then run `cartwheel check-shop`.",
        "# docs/your-shop.md says what can stand here.",
        "",
        f"timezone: UTC{zone_doubt}",
        "",
        "sources:",
    ]
    for draft in drafts:
        lines += [*source_lines(draft), ""]
    if unplaced:
        lines += ["# Files that no source reads:", *(f"#   {name}: {why}" for name, why in unplaced), ""]
    return "\n".join(lines)


def source_lines(draft: Draft) -> list[str]:
    group, sample = draft.group, draft.group.first
    lines = [f"  {draft.name}:"]
    lines += [f"    # doubt: {doubt}" for doubt in draft.doubts]
    lines.append(f"    dataset: {draft.dataset}")
    glob = re.sub(r"\{date[^}]*\}", "*", group.glob) if draft.undated else group.glob
    lines.append(f"    files: {quoted(glob)}")
    how = []
    ending = [part for part in group.glob.lower().rsplit("/", 1)[-1].split(".") if part in TYPES]
    if not ending or TYPES[ending[-1]] != sample.type:
        how.append(f"type: {sample.type}")
    if sample.type == "csv" and sample.delimiter != ("\t" if ending[-1:] in (["tsv"], ["tab"]) else ","):
        how.append(f"delimiter: {'tab' if sample.delimiter == chr(9) else quoted(sample.delimiter)}")
    if sample.encoding != "utf-8":
        how.append(f"encoding: {sample.encoding}")
    if not sample.header:
        how.append(f"header: false, columns: [{', '.join(map(quoted, sample.columns))}]")
    if how:
        lines.append(f"    format: {{{', '.join(how)}}}")
    if sample.empty:
        lines.append(f"    empty: [{', '.join(map(quoted, sample.empty))}]" + doubt_text("in every column of the file"))
    if draft.dated:
        lines.append(f"    date: {draft.dated[0]}" + doubt_text(draft.dated[1]))
    if draft.where:
        condition = " and ".join(text if len(draft.where) == 1 else f"({text})" for text, _ in draft.where)
        lines += [f"    # doubt: {doubt}" for _, doubt in draft.where]
        lines.append(f"    where: {quoted(condition)}")
    lines.append("    fields:")
    order = LANDING_CONTRACTS[draft.dataset].columns
    for name in sorted(draft.fields, key=order.index):
        text, doubt = draft.fields[name]
        lines.append(f"      {name}: {safe(text)}{doubt_text(doubt)}")
    if draft.left_out:
        lines.append(f"    # left out, as they name a person: {', '.join(draft.left_out)}")
    return lines
