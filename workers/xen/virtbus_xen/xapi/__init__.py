"""XCP-ng and XenServer pools, over XAPI."""
