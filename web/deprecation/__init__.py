"""What of the HTTP API is deprecated."""
