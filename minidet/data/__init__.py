"""Images in, arrays out: loading, resizing and placing them for a network."""
