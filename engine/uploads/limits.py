"""How much may be uploaded. The dashboard's Streamlit settings have the first as `maxUploadSize`."""

from engine.storage.files import MIB

MOST_BYTES = 500 * MIB  # of a file
MOST_UNPACKED = 2000 * MIB  # of all that is unpacked of an archive
MOST_ENTRIES = 100_000  # of an archive
MOST_RATIO = 100  # how far compressing shrinks a set of images, and then some
PLAUSIBLE = 64 * MIB  # of images that may compress to anything, such as drawings
DEEPEST = 12  # folders within each other
LONGEST_PART = 255  # bytes of a name, as disks have it
