"""Boards: how they are reached, what state they are in, and what runs on them."""
