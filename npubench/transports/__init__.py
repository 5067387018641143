"""How boards are reached."""
