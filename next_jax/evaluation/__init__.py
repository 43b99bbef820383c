"""The fix rate: pass@k with intervals, comparisons, groups."""
