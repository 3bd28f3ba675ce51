#!/usr/bin/env python3
"""Keyward's commands: `manage.py help`."""

from __future__ import annotations

from config.command_line import run

if __name__ == "__main__":
    run()
