"""What keeps payloads from the Temporal server, and shows them to those who have the keys.

codec.py      the data converter of every connection
legible.py    whether this program has the keys of a fleet
server.py     the codec server, for Temporal's Web UI and command line
command.py    ``sealflow codec``
"""
