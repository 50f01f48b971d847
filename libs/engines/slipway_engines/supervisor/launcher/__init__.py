"""The launcher: a process beside each replica that starts it, ends it, and writes down what becomes of it.

Standard library only, and little of it, for start time and memory count once per replica: no `typing`, no
`dataclasses`, and `os.path` instead of `pathlib`, but in what a child runs to unpack an image.
"""
