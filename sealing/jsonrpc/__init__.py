"""JSON-RPC 2.0 over HTTP as the manager and the worker serve it: methods, errors, and the server's side.

method.py     a method's name, parameters and result
errors.py     the codes, and the error for a caller
access.py     who is answered
preference.py how long a caller would wait
dispatch.py   from a request's body to an answer's
server.py     the HTTP server
"""
