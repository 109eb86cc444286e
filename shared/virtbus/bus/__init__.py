"""The message bus: subjects, codec, streams and buckets, ownership, jobs, events. Only this package imports nats."""
