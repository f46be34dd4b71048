"""Play policies in simulated worlds whose best choice is known, and measure their regret. Pure; numpy and bandits."""
