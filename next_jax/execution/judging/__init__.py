"""Runs a program in a process of its own, and judges it from outside."""
