"""What is done before a worker runs: its configuration checked, its folders prepared.

checking.py   ``sealflow config check``
preparing.py  ``sealflow store init``
"""
