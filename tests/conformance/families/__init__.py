"""One module for the families of cases that one part of the project answers.

Each has `FAMILIES`, the names of its families, and `run(case, root)`, which returns the text for every path that the
case expects. A refusal is an error of the project; `Refused` is for those that leave a document all the same.
"""
