"""The manager: its JSON-RPC as models (wire) and as calls (client)."""
