"""Shells, tasks and services watched from beside Python, with the standard library alone."""
