"""Tests of ``rules/``."""
