"""HTTP requests on objects: read, answered, in the encodings that kubectl speaks."""
