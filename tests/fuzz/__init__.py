"""Fuzzing of every parser of bytes that others wrote.

targets/     the table: what bytes go in, and which errors are allowed to come out
corpus/      seeds of each target, hand-made; beside them what fuzzing has found, as regressions
mutate.py    makes a new input of an old one
engine.py    one target under atheris, in a process of its own
campaign.py  all targets, on all cores, with a summary: ``make fuzz``
test_fuzz.py the short form, in every run of the tests
"""
