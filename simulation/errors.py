class BadScenario(Exception):
    """What is wrong in a scenario, the field first."""
