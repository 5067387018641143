"""A virtual ARM board: Debian's packages for armhf on an emulated Cortex-A7, over SSH on loopback.

Everything but time is real there: kernel, shell, file systems, SSH servers, ARM programs.
"""
