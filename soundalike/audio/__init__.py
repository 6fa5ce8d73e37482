"""Songs as sound: decoded, and cut into clips."""
