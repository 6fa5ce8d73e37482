"""Songs that sound alike."""
