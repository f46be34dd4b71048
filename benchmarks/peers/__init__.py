"""Other bandit libraries in our worlds. They have an environment of their own: see README.md."""
