"""A fake of Hyper-V hosts: WinRM's wire as it is (NTLM, encrypted messages, faults, limits), and behind it the part of
the WMI provider that the worker uses, with the refusals that Microsoft documents. It shares no code with the worker.

    python -m tests.hyperv.fake --folder DIR --hosts 2     serves two hosts until it is ended

Guests of machines whose name ends in `.deaf-guest` never answer. `/control` of each host lets tests do what happens
without Virtbus.
"""
