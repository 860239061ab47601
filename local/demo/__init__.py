"""A customer's story, played over HTTP as the bot would: `make demo`.

Everything runs for real in a state folder of its own, fresh each time. Leaves a video and a photo
in var/demo/ (--folder for another one), ends with exit code 1 at the first surprise, and stops
all it started.
"""

from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "var/demo"
PORTRAIT = ROOT / "local/samples/portrait.jpg"
OLD_PHOTO = ROOT / "local/samples/damaged_sepia_portrait.jpg"
VIDEO = "portrait-animated.mp4"
RESTORED = "old-photo-restored.jpg"
