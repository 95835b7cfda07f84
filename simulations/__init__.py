"""Federations, people and studies on one machine."""
