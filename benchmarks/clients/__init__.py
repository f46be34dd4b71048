"""Checks of the clients in sdks/ while a server dies and connections break."""
