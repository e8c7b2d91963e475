"""Is this machine ready to seal? What each check looks at, and how people and programs are told. It changes nothing.

checks.py       what a check is, its time limit, and its answer
server.py       Temporal, its namespace, its search attributes
manager.py      the manager, and the clock against what servers say
machine.py      folders and the limit of open files
programs.py     the programs of the stages, and the proof parameters
examination.py  the checks that a configuration asks for, run at once
command.py      the command line
"""
