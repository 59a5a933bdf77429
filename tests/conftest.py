"""What holds for every test."""

import os

# Two processes of two threads each have four threads for two cores; spinning, they wait for each other in vain and the
# tests that train take two and a half times as long. OpenMP reads this when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
