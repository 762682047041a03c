"""What the stand-ins' servers share: frame, faults, control, store, listening."""
