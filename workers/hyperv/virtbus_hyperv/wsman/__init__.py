"""WS-Management as Windows speaks it: enumerations, methods, references, embedded instances (MS-WSMV, DSP0226)."""
