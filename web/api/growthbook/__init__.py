"""GrowthBook's SDKs ask for placements as features, here instead of at GrowthBook."""
