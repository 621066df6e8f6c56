"""How runs and boards are named: the patterns, once. No torch."""

RUN_ID = r"\d{8}-\d{6}-[0-9a-f]{8}(-\d+)?"  # when it was made, and the digest of the request
DEVICE_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"
