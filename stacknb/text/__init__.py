"""Texts that somebody else has written or typed: read safely, understood, made fit to be shown."""
