class BadScenario(Exception):
    """Raised for an invalid scenario; the message begins with the field."""
