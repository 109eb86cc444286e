"""`virtbus xml`: libvirt's documents in files, without a server: written anew, checked, compared, made a command line.

`document` knows which model reads a file, `place` where in the file something stands, `difference` what two models
differ in; `command` is the command line over them.
"""
