"""What the documentation site adds to mkdocs."""
