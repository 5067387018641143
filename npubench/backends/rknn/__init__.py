"""Rockchip's RKNN-Toolkit2: RK35xx and RV11xx. Its simulator gives outputs and cycles, never a time."""
