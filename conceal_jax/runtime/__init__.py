"""What runs underneath: devices, processes, files, random streams, logs, progress, interrupts."""
