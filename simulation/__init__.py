"""Worlds whose truth is known, policies that choose in them, and what the choices cost. Pure; numpy and bandits."""
