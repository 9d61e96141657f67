"""The ranker: trained in two stages, judged by a gate, measured against what users bought afterwards."""
