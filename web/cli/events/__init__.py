"""Commands about events and where they are sent to."""
