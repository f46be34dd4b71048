"""Statistics of experiments on sums per unit: intervals that hold at every look, corrections, checks, sizes. Pure."""
