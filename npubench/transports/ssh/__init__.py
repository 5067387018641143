"""Boards behind SSH: paramiko here, and nothing but a POSIX shell and a few tools there."""
