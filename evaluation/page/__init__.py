"""A page to listen with: what float, compiled and device make of a recording, side by side."""
