"""How the manager knows this worker: the JSON-RPC that it serves, and its signs of life.

threads.py   a thread as the wire has it, and the counts
service.py   the methods
callers.py   who may call them
ping.py      the signs of life
"""
