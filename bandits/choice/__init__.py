"""The conditional logit: learn merits from choices among what was offered."""
