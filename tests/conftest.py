import os

# The shipped models need no network; a test that asked the Hub for something would hide that.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
