"""libvirt's own test data as a measure: what the project makes of each of its cases, scored strictly."""
