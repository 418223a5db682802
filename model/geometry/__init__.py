"""Meshes and point clouds in numpy: input, output, frames, sampling, isosurfaces. Never torch."""
