"""A bounded record of how the daemon stood, written by mmscand-api, read by anybody who may."""
