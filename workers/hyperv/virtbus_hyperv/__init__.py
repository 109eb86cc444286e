"""Hyper-V: virtual machines of a Windows host, through WMI over WS-Management.

The way of a request: a facet (`lifecycle`, `devices`, ...) asks `management` for a method of the WMI provider; that is
an Invoke of `wsman.client`, sealed by `wsman.channel`. What is there is read by `machines` and becomes libvirt's XML in
`reading`; a definition becomes settings in `applying`. `witness` compares what polls and jobs find, and observes.
"""
