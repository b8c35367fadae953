"""The wire: protocol, array encoding, dispatch of requests."""
