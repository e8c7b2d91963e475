"""Tests of the HTTP servers that the manager and the worker share."""
