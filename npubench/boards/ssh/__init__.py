"""Boards behind OpenSSH."""
