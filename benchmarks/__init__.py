"""Measurements: each prints ratios against the alternative, taken in the same run."""
