"""What stands between the server and the application: plain ASGI, because it runs on every request."""
